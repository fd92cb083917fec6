import { startHere } from './here.ts';
import { openFile } from './keys/node.ts';
import { backendFor } from './node-backend.ts';
import { chooseRuntime, giveUpNative } from './onnxruntime.ts';
import { createRequestHandler } from './request-handler.ts';
import { threadedEngine } from './threaded-engine.ts';
import type { Engine } from './types.ts';

/** An engine on ONNX Runtime that computes in the calling thread, on one core, for a thread of `startThread` that does nothing else meanwhile. */
export function createEngineHere(): Engine {
  const note = (line: string) => console.warn(line);
  const native = async (error?: unknown) =>
    (await (error ? giveUpNative(error, note) : chooseRuntime({ note }))).native;
  const here = startHere(createRequestHandler(backendFor, openFile));
  return threadedEngine({ ...here, settings: { threads: 1 }, native }, { note });
}
