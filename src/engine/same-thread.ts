import type { EngineOptions } from './device.ts';
import { startHere } from './here.ts';
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
  const here = startHere(createRequestHandler((settings) => webBackend(settings, gpu)));
  return threadedEngine({ ...here, settings: { threads, wasmPaths } }, options);
}
