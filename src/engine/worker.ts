import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { TipAdapterError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import type { Answer, Request } from './protocol.ts';
import { createTrainer, type Run } from './training/trainer.ts';
import type { Trainer } from './training/types.ts';
import type { PortInfo } from './types.ts';

/**
 * The thread that owns ONNX Runtime: `session.run()` computes on the thread that calls it, so the event loop of the
 * program must not be the one that does.
 */
const sessions = new Map<number, { session: ort.InferenceSession; kept: Record<string, ort.Tensor> }>();
const trainers = new Map<number, Trainer>();

parentPort?.on('message', async (request: Request) => {
  try {
    const answer = await handle(request);
    parentPort?.postMessage(answer, buffersOf(answer));
  } catch (error) {
    const { code, hint } = error instanceof TipAdapterError ? error : {};
    parentPort?.postMessage({ id: request.id, error: (error as Error).message, code, hint } satisfies Answer);
  }
});

/** Buffers of an answer that are handed over instead of copied. */
function buffersOf(answer: Answer): ArrayBuffer[] {
  const tensors =
    'tensors' in answer
      ? Object.values(answer.tensors)
      : 'state' in answer
        ? [...Object.values(answer.state.parameters), ...Object.values(answer.state.moments)]
        : [];
  return tensors.map(({ data }) => data.buffer as ArrayBuffer);
}

async function handle(request: Request): Promise<Answer> {
  const { id } = request;
  switch (request.kind) {
    case 'load': {
      const session = await prepare(request.model, request.threads);
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
    case 'train': {
      const { trainer, plan, data, threads } = request;
      trainers.set(trainer, await createTrainer(plan, data, (model) => runner(model, threads)));
      return { id, tensors: {} };
    }
    case 'train-step':
      return { id, result: await open(request.trainer).step(request.feeds, request.rate) };
    case 'train-read':
      return { id, state: await open(request.trainer).read() };
    case 'train-close':
      await trainers.get(request.trainer)?.close();
      trainers.delete(request.trainer);
      return { id, tensors: {} };
  }
}

function prepare(model: Uint8Array | string, threads: number): Promise<ort.InferenceSession> {
  const options: ort.InferenceSession.SessionOptions = {
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
    // Threads that spin while waiting take the cores that decode the next pictures.
    extra: { session: { force_spinning_stop: '1' } },
    logSeverityLevel: 3,
  };
  return typeof model === 'string'
    ? ort.InferenceSession.create(model, options)
    : ort.InferenceSession.create(model, options);
}

/** A graph of a training step. Its outputs stay in this thread: they need no copy of their own. */
async function runner(model: Uint8Array, threads: number): Promise<Run> {
  const session = await prepare(model, threads);
  return {
    inputs: session.inputNames,
    run: async (feeds) => {
      const results = await session.run(toOrt(feeds));
      return Object.fromEntries(
        Object.entries(results).map(([name, value]) => {
          const { type, dims, data } = value as ort.Tensor;
          return [name, { dtype: type, shape: dims, data } as Tensor];
        }),
      );
    },
    close: () => session.release(),
  };
}

function open(trainer: number): Trainer {
  const found = trainers.get(trainer);
  if (!found) throw new Error(`trainer ${trainer} is closed`);
  return found;
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

function toOrt(feeds: Readonly<Record<string, Tensor>>): Record<string, ort.Tensor> {
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
