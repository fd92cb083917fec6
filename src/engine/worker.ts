import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { Tensor } from '../math/tensor.ts';
import type { Answer, Request } from './protocol.ts';
import type { PortInfo } from './types.ts';

/**
 * The thread that owns ONNX Runtime: `session.run()` computes on the thread that calls it, so the event loop of the
 * program must not be the one that does.
 */
const sessions = new Map<number, { session: ort.InferenceSession; kept: Record<string, ort.Tensor> }>();

parentPort?.on('message', async (request: Request) => {
  try {
    const answer = await handle(request);
    const transfer =
      'tensors' in answer ? Object.values(answer.tensors).map((t) => t.data.buffer as ArrayBuffer) : [];
    parentPort?.postMessage(answer, transfer);
  } catch (error) {
    parentPort?.postMessage({ id: request.id, error: (error as Error).message } satisfies Answer);
  }
});

async function handle(request: Request): Promise<Answer> {
  const { id } = request;
  switch (request.kind) {
    case 'load': {
      const options: ort.InferenceSession.SessionOptions = {
        intraOpNumThreads: request.threads,
        graphOptimizationLevel: 'all',
        // Threads that spin while waiting take the cores that decode the next pictures.
        extra: { session: { force_spinning_stop: '1' } },
        logSeverityLevel: 3,
      };
      const session =
        typeof request.model === 'string'
          ? await ort.InferenceSession.create(request.model, options)
          : await ort.InferenceSession.create(request.model, options);
      sessions.set(request.session, { session, kept: {} });
      return {
        id,
        ports: { inputs: session.inputMetadata.map(port), outputs: session.outputMetadata.map(port) },
      };
    }
    case 'keep':
      Object.assign(entry(request.session).kept, toOrt(request.feeds));
      return { id, tensors: {} };
    case 'run': {
      const { session, kept } = entry(request.session);
      const feeds = { ...kept, ...toOrt(request.feeds) };
      const wanted = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
      const results = await session.run(wanted, request.outputs ?? session.outputNames);
      return { id, tensors: fromOrt(results) };
    }
    case 'close':
      await sessions.get(request.session)?.session.release();
      sessions.delete(request.session);
      return { id, tensors: {} };
  }
}

function entry(session: number) {
  const found = sessions.get(session);
  if (!found) throw new Error(`session ${session} is closed`);
  return found;
}

function port(meta: ort.InferenceSession.ValueMetadata): PortInfo {
  if (!meta.isTensor) return { name: meta.name, dtype: 'unknown', shape: [] };
  return { name: meta.name, dtype: meta.type, shape: meta.shape };
}

function toOrt(feeds: Record<string, Tensor>): Record<string, ort.Tensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, data, shape }]) => [
      name,
      new ort.Tensor(dtype as 'float32', data as Float32Array, shape),
    ]),
  );
}

function fromOrt(results: ort.InferenceSession.OnnxValueMapType): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(results).map(([name, value]) => {
      const { type, dims, data } = value as ort.Tensor;
      // Views on the runtime's own memory cannot be handed to another thread.
      const own = (data as Float32Array).slice();
      return [name, { dtype: type as Tensor['dtype'], shape: dims, data: own }];
    }),
  );
}
