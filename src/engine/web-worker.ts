import type { InferenceSession } from 'onnxruntime-node';
import type { Answer, Request, Settings } from './protocol.ts';
import { type Backend, buffersOf, createRequestHandler } from './request-handler.ts';

declare const self: {
  onmessage: (event: { data: Request }) => void;
  postMessage(message: Answer, transfer: readonly ArrayBuffer[]): void;
};

/** The page's thread that owns onnxruntime-web. The build with WebGPU is fetched only for the device `webgpu`. */
const answer = createRequestHandler(async ({ device, threads, wasmPaths }: Settings): Promise<Backend> => {
  const ort =
    device === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm');
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
});

self.onmessage = async ({ data }) => {
  const result = await answer(data);
  self.postMessage(result, buffersOf(result));
};
