import type { InferenceSession } from 'onnxruntime-node';
import { loadPart } from '../load-part.ts';
import type { Settings } from './protocol.ts';
import type { Backend } from './request-handler.ts';

/**
 * Opens onnxruntime-web in this thread. Its build with WebGPU is fetched only if `gpu` says that it is needed; it computes on the CPU
 * too, so that a thread never loads both.
 */
export async function webBackend(
  { device, threads, wasmPaths }: Settings,
  gpu = device === 'webgpu',
): Promise<Backend> {
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
