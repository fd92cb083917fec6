import type { Thread, ThreadEvents } from './channel.ts';
import type { EngineOptions } from './device.ts';
import type { Answer } from './protocol.ts';
import { sharedEngineBy } from './shared.ts';
import { threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';

/** The parts of the DOM that are used here: the library is compiled without the DOM's types. */
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

/** Options of a page's engine. */
export interface WebEngineOptions extends EngineOptions {
  /**
   * URL of the folder with the files of this package's `dist/onnxruntime-web` (`ort-wasm-simd-threaded.wasm`, `.mjs`; with
   * `asyncify` for WebGPU). It ends with a slash and is absolute or relative to the page. Default: the bundler's folder.
   */
  wasmPaths?: string;
}

/**
 * The engine of a page: onnxruntime-web in a Worker, so that computing does not block the page. It uses several threads if the page
 * is cross-origin isolated. `webgpu` is experimental; a browser without WebGPU uses the CPU.
 */
export function createEngine(options: WebEngineOptions = {}): Engine {
  const most = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const { threads = most, wasmPaths } = options;
  const folder = wasmPaths && new URL(wasmPaths, location.href).href;
  const settings = { threads: Math.min(threads, most), wasmPaths: folder };
  return threadedEngine({ start, settings }, options);
}

function start({ answer, died }: ThreadEvents): Thread {
  // Bundlers recognise a Worker's file by exactly this expression.
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

sharedEngineBy(createEngine);
