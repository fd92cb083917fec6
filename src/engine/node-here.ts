import { startHere } from './here.ts';
import { openFile } from './keys/node.ts';
import { backendFor } from './node-backend.ts';
import { createRequestHandler } from './request-handler.ts';
import { threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';

/**
 * An engine on ONNX Runtime that computes in the calling thread, on one core, for a thread of `startThread` that does nothing else meanwhile.
 * The program chooses the build once for all threads: `native` is its folder, undefined for WebAssembly. If it does not load, `onRefused` gets
 * the error and WebAssembly computes.
 */
export function createEngineHere(native: string | undefined, onRefused: (error: Error) => void): Engine {
  let build = native;
  const chosen = async (error?: unknown) => {
    if (error) {
      build = undefined;
      onRefused(error as Error);
    }
    return build;
  };
  const here = startHere(createRequestHandler(backendFor, openFile));
  return threadedEngine({ ...here, settings: { threads: 1 }, native: chosen }, {});
}
