import type { InferenceSession } from 'onnxruntime-node';
import { ModelError } from '../errors.ts';
import { loadPart } from '../load-part.ts';
import type { Settings } from './protocol.ts';
import type { Backend } from './request-handler.ts';

/**
 * Opens onnxruntime-web in this thread. Its build with WebGPU is fetched only if `gpu` says that it is needed; it computes on the CPU
 * too, so that a thread never loads both. Throws `ModelError` (`web/policy`) if the page cannot run WebAssembly.
 */
export async function webBackend(
  { device, threads, wasmPaths }: Settings,
  gpu = device === 'webgpu',
): Promise<Backend> {
  checkWebAssembly();
  const ort = await loadPart(() => (gpu ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm')));
  ort.env.logLevel = 'fatal';
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = wasmPaths;
  return {
    ort,
    preallocates: false,
    create: (model) =>
      ort.InferenceSession.create(model as Uint8Array, {
        executionProviders: [device === 'cpu' ? 'wasm' : device],
        graphOptimizationLevel: 'all',
      }) as Promise<InferenceSession>,
  };
}

/** The smallest module: the magic number and the version of WebAssembly. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** ONNX Runtime has no error of its own for this case, and every browser names it otherwise. */
function checkWebAssembly(): void {
  try {
    new WebAssembly.Module(EMPTY_MODULE);
  } catch (cause) {
    throw new ModelError(`This page cannot run WebAssembly: ${(cause as Error).message}`, {
      code: 'web/policy',
      hint: "If a content security policy forbids it, add 'wasm-unsafe-eval' to its script-src. It may also be turned off in the browser.",
      cause,
    });
  }
}
