import { floatTensor, sizeOf, type Tensor } from '../../math/tensor.ts';
import { pick } from './pick.ts';
import { type Shard, slice } from './shard.ts';
import { resultOf } from './trainer.ts';
import type { Run, Trainer, TrainingData, TrainingState } from './types.ts';

/**
 * Trains blocks on several threads. Each thread computes the results of its blocks, the loss is computed from all results, and
 * each thread updates its own blocks. Only the batch, the results and their gradient are sent between threads, never a parameter.
 */
export function createShardedTrainer(loss: Run, shards: readonly Shard[], data: TrainingData): Trainer {
  const { count, perChunk, result } = data.blocks as NonNullable<TrainingData['blocks']>;
  const ranges = shareOut(count / perChunk, shards.length);
  return {
    async step(feeds, rate) {
      const results = await Promise.all(shards.map((shard) => shard.forward(feeds)));
      const outputs = await loss.run(pick(loss, { ...data.fixed, ...feeds, [result]: join(results) }));
      const answer = resultOf(outputs);
      const slope = outputs['gradient.result']!;
      await Promise.all(
        shards.map((shard, i) =>
          shard.backward(slice(slope, ranges[i]![0], ranges[i]![1], count / perChunk), rate),
        ),
      );
      return answer;
    },
    read: async () => joinStates(await Promise.all(shards.map((shard) => shard.read()))),
    close: async () => {
      await Promise.all([loss.close(), ...shards.map((shard) => shard.close())]);
    },
  };
}

/** Divides the data into at most `threads` shards of whole chunks, as evenly as possible. */
export function shardData(data: TrainingData, threads: number): TrainingData[] {
  const blocks = data.blocks as NonNullable<TrainingData['blocks']>;
  const { count, perChunk, sliced } = blocks;
  const chunks = count / perChunk;
  return shareOut(chunks, Math.min(threads, chunks)).map(([from, to]) => {
    const part = (
      tensors: Readonly<Record<string, Tensor>> = {},
      of = (name: string) => sliced.includes(name),
    ) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [
          name,
          of(name) ? slice(tensor, from, to, chunks) : tensor,
        ]),
      );
    return {
      parameters: part(data.parameters),
      fixed: part(data.fixed),
      optimiser: data.optimiser,
      start: data.start && {
        step: data.start.step,
        parameters: part(data.start.parameters),
        moments: part(data.start.moments, () => true),
      },
      blocks: { ...blocks, count: (to - from) * perChunk },
    };
  });
}

function shareOut(items: number, shares: number): [number, number][] {
  const at = (i: number) => Math.floor((i * items) / shares);
  return Array.from({ length: shares }, (_, i) => [at(i), at(i + 1)]);
}

function joinStates(states: readonly TrainingState[]): TrainingState {
  const first = states[0]!;
  const all = (of: (state: TrainingState) => Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(
      Object.keys(of(first)).map((name) => [name, join(states.map((state) => of(state)[name]!))]),
    );
  return { step: first.step, parameters: all((s) => s.parameters), moments: all((s) => s.moments) };
}

/** Concatenates tensors along the first axis. */
function join(parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return parts[0]!;
  const rows = parts.reduce((n, { shape }) => n + shape[0]!, 0);
  const shape = [rows, ...parts[0]!.shape.slice(1)];
  const data = new Float32Array(sizeOf(shape));
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return floatTensor(shape, data);
}
