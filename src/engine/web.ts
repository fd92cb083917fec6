import type { Thread, ThreadEvents } from './channel.ts';
import type { EngineOptions } from './device.ts';
import type { Answer } from './protocol.ts';
import { sharedBy, threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';

/** The parts of a page's interface that are used here: the library is checked without the types of the DOM. */
declare class Worker {
  constructor(address: URL, options: { type: 'module' });
  onmessage: (event: { data: Answer }) => void;
  onerror: (event: { message?: string; preventDefault(): void }) => void;
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  terminate(): void;
}
declare const crossOriginIsolated: boolean;
declare const location: { readonly href: string };
declare const navigator: { readonly hardwareConcurrency: number };

/** What the engine of a page can be told. */
export interface WebEngineOptions extends EngineOptions {
  /**
   * Where the files of this package's `dist/onnxruntime-web` lie (`ort-wasm-simd-threaded.wasm`, `.mjs`; with `asyncify` for
   * WebGPU), with a slash at the end, absolute or relative to the page. Default: where the bundler put them.
   */
  wasmPaths?: string;
}

/**
 * The engine of a page: onnxruntime-web in a Worker, so that the page never waits. Several threads where the page is
 * cross-origin isolated. `webgpu` is experimental; a browser without it goes on with the CPU.
 */
export function createEngine(options: WebEngineOptions = {}): Engine {
  const most = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const { threads = most, wasmPaths } = options;
  const folder = wasmPaths && new URL(wasmPaths, location.href).href;
  const settings = { threads: Math.min(threads, most), wasmPaths: folder };
  return threadedEngine({ start, settings, files: false }, options);
}

function start({ answer, died }: ThreadEvents): Thread {
  // Bundlers find a Worker's file by this very form.
  const worker = new Worker(new URL('./web-worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }) => answer(data);
  worker.onerror = (event) => {
    event.preventDefault();
    died(event.message ?? 'its thread could not be started');
  };
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    end: async () => worker.terminate(),
  };
}

/**
 * `sharedEngine()` gives the engine that everything computes on unless it is given one; it is made at the first call.
 * `setSharedEngine(engine)` puts another in its place.
 */
export const { sharedEngine, setSharedEngine } = sharedBy(createEngine);
