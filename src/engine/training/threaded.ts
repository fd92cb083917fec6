import { toOnnx } from '../../graph/onnx.ts';
import type { Tensor } from '../../math/tensor.ts';
import type { Channel, Without } from '../channel.ts';
import type { Device } from '../device.ts';
import { type Answer, type Request, type Settings, tensorsOf } from '../protocol.ts';
import type { Engine, Session } from '../types.ts';
import { type BlockPlan, mapPlan, planTraining } from './plan.ts';
import type { Shard } from './shard.ts';
import { createShardedTrainer, shardData } from './sharded.ts';
import { dataOf } from './trainer.ts';
import type { Run, StepResult, Trainer, TrainingData, TrainingSpec, TrainingState } from './types.ts';

/** A request that starts a runtime, and the buffers that it transfers. */
export type Starting = Without<Extract<Request, { settings: Settings }>, 'id' | 'settings'> & {
  readonly transfer?: readonly ArrayBuffer[];
};

/** A thread that can hold a part of a training. */
export interface ShardHost {
  shard(plan: BlockPlan<Uint8Array>, data: TrainingData, signal?: AbortSignal): Promise<Shard>;
}

/** The engine that a training runs on. */
export interface TrainingHost extends Pick<Channel, 'send' | 'alive' | 'close'> {
  readonly threads: number;
  /** A number that no session and no other trainer has. */
  serial(): number;
  /** Sends a request without waiting for its answer. */
  tell(request: Without<Request, 'id'>): void;
  /** Sends a request that starts a runtime, on the engine's device or on the one given. */
  prepare(make: () => Starting, signal?: AbortSignal): Promise<Answer>;
  open(make: () => Starting, device: Device, signal?: AbortSignal): Promise<Answer>;
  load(model: Uint8Array, work: { signal?: AbortSignal }): Promise<Session>;
  /** The number of the current thread. */
  born(): number;
  /** Copies of tensors, and their buffers, which are transferred. */
  detach(feeds: Readonly<Record<string, Tensor>>): { feeds: Record<string, Tensor>; buffers: ArrayBuffer[] };
  /** Another engine on one core. */
  engine(): Engine & ShardHost;
}

/** A training on the thread of an engine, or on one thread for each core if it has blocks. */
export async function trainOn(
  host: TrainingHost,
  spec: TrainingSpec,
  signal?: AbortSignal,
): Promise<Trainer> {
  const { loss, blocks } = mapPlan(planTraining(spec), (graph) => toOnnx(graph));
  const data = dataOf(spec);
  if (blocks) return trainSharded(host, loss, blocks, data, signal);
  const trainer = host.serial();
  await host.prepare(() => ({ kind: 'train', trainer, loss, data }), signal);
  const born = host.born();
  return {
    step: async (feeds, rate) => {
      const own = host.detach(feeds);
      const request = { kind: 'train-step', trainer, feeds: own.feeds, rate } as const;
      return ((await host.send(request, own.buffers, signal)) as { result: StepResult }).result;
    },
    read: async () => ((await host.send({ kind: 'train-read', trainer })) as { state: TrainingState }).state,
    close: async () => {
      if (host.alive(born)) host.tell({ kind: 'train-close', trainer });
    },
  };
}

/**
 * Trains with one thread for each core, each with some of the blocks, so that the whole step runs in parallel and not only the products.
 */
async function trainSharded(
  host: TrainingHost,
  loss: Uint8Array,
  plan: BlockPlan<Uint8Array>,
  data: TrainingData,
  signal?: AbortSignal,
): Promise<Trainer> {
  const parts = shardData(data, host.threads);
  const engines = parts.map(() => host.engine());
  try {
    const shards = await Promise.all(engines.map((engine, i) => engine.shard(plan, parts[i]!, signal)));
    const session = await host.load(loss, { signal });
    const used = new Set(session.inputs.map(({ name }) => name));
    const fixed = Object.entries(data.fixed ?? {}).filter(([name]) => used.has(name));
    await session.keep(Object.fromEntries(fixed), { signal });
    const inputs = [...used].filter((name) => !fixed.some(([known]) => known === name));
    const run: Run = { inputs, run: (feeds) => session.run(feeds, { signal }), close: session.close };
    return createShardedTrainer(run, shards, data);
  } catch (error) {
    for (const engine of engines) void engine.close();
    throw error;
  }
}

/** A part of a training on the thread of an engine, which serves nothing else. */
export async function shardOn(
  host: TrainingHost,
  plan: BlockPlan<Uint8Array>,
  data: TrainingData,
  signal?: AbortSignal,
): Promise<Shard> {
  await host.open(() => ({ kind: 'shard', plan, data }), 'cpu', signal);
  return {
    forward: async (feeds) => {
      const own = host.detach(feeds);
      const answer = await host.send({ kind: 'shard-forward', feeds: own.feeds }, own.buffers, signal);
      return tensorsOf<'results'>(answer).results;
    },
    backward: async (upstream, rate) => {
      const { feeds, buffers } = host.detach({ upstream });
      await host.send({ kind: 'shard-backward', upstream: feeds.upstream!, rate }, buffers, signal);
    },
    read: async () => ((await host.send({ kind: 'shard-read' })) as { state: TrainingState }).state,
    close: host.close,
  };
}
