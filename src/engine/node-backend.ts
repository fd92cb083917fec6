import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { ModelError } from '../errors.ts';
import { NATIVE_REFUSED, type Settings } from './protocol.ts';
import type { Backend } from './request-handler.ts';
import { checkUnchanged, inFolder, inMemory } from './weight-files.ts';

type Runtime = { InferenceSession: typeof InferenceSession; Tensor: typeof Tensor };

/** The runtime's log level. Errors are thrown and reported by their catcher, so the runtime must not print them too. */
const FATAL = 4;

/** ONNX Runtime in this thread: the native build, or onnxruntime-web. */
export async function backendFor({ device, threads, native }: Settings): Promise<Backend> {
  const ort = native === undefined ? await wasmRuntime(threads) : nativeRuntime(native);
  const options: InferenceSession.SessionOptions = {
    executionProviders: [native === undefined ? 'wasm' : device],
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
    // By default, ONNX Runtime's threads spin while they wait, and take the cores that decode the next pictures.
    extra: { session: { force_spinning_stop: '1' } },
    logSeverityLevel: FATAL,
  };
  return {
    ort,
    preallocates: native !== undefined,
    create: async (model, weights) => {
      if (typeof model === 'string') return ort.InferenceSession.create(model, options);
      if (!weights) return ort.InferenceSession.create(model, options);
      const where = native === undefined ? inMemory(weights) : inFolder(weights, options);
      const session = await ort.InferenceSession.create(model, { ...options, ...where });
      checkUnchanged(weights);
      return session;
    },
  };
}

function nativeRuntime(folder: string): Runtime {
  try {
    return createRequire(import.meta.url)(folder);
  } catch (error) {
    throw new ModelError((error as Error).message, { code: NATIVE_REFUSED });
  }
}

async function wasmRuntime(threads: number): Promise<Runtime> {
  const ort = await import('onnxruntime-web');
  ort.env.logLevel = 'fatal';
  ort.env.wasm.numThreads = threads;
  return ort as unknown as Runtime;
}
