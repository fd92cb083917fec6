import type { EngineOptions } from './device.ts';
import type { Settings } from './protocol.ts';
import { createRequestHandler } from './request-handler.ts';
import { threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';
import { webBackend } from './web-backend.ts';

/** Options of an engine in the calling thread. */
export interface SameThreadOptions extends EngineOptions, Pick<Settings, 'wasmPaths'> {
  readonly threads: number;
  /** Whether the build of onnxruntime-web with WebGPU is used, also for the CPU. */
  readonly gpu: boolean;
}

/** An engine on onnxruntime-web in the calling thread, for a worker of a page that does everything in one thread. */
export function sameThreadEngine({ threads, wasmPaths, gpu, ...options }: SameThreadOptions): Engine {
  const handle = createRequestHandler((settings) => webBackend(settings, gpu));
  // One request at a time: with WebGPU, ONNX Runtime refuses a run while another is not finished.
  let before: Promise<void> = Promise.resolve();
  return threadedEngine(
    {
      start: ({ answer }) => ({
        post: (request) => {
          before = before.then(async () => answer(await handle(request)));
        },
        end: async () => {},
      }),
      settings: { threads, wasmPaths },
    },
    options,
  );
}
