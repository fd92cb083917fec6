import { UsageError } from '../../errors.ts';
import { floatTensor, sizeOf, type Tensor } from '../../math/tensor.ts';
import { allocate } from './parameter-store.ts';
import { pick } from './pick.ts';
import type { BlockPlan } from './plan.ts';
import type { Run, TrainingData, TrainingState } from './types.ts';

/** The blocks that one thread trains, with their parameters and moments. */
export interface Shard {
  /** Results of its blocks, [blocks, …]. */
  forward(feeds: Readonly<Record<string, Tensor>>): Promise<Tensor>;
  /** Takes a step by the gradient of those results. */
  backward(upstream: Tensor, rate: number): Promise<void>;
  read(): Promise<TrainingState>;
  close(): Promise<void>;
}

/** Prepares a shard. Its blocks must make whole chunks. */
export async function createShard<G>(
  plan: BlockPlan<G>,
  data: TrainingData,
  compile: (graph: G) => Promise<Run>,
): Promise<Shard> {
  const { parameters, fixed = {}, blocks, start } = data;
  const { count, perChunk, sliced } = blocks as NonNullable<TrainingData['blocks']>;
  const chunks = count / perChunk;
  if (!Number.isInteger(chunks)) {
    throw new UsageError(`The number of blocks, ${count}, is not a multiple of ${perChunk}`, {
      code: 'training/chunks',
    });
  }
  const store = allocate(data);
  const shared = plan.shared && (await compile(plan.shared));
  const [forward, backward] = [await compile(plan.forward), await compile(plan.backward)];
  const own = Array.from({ length: chunks }, (_, chunk) =>
    Object.fromEntries(
      sliced.map((name) => [name, slice(store.tensors[name] ?? fixed[name]!, chunk, chunk + 1, chunks)]),
    ),
  );
  const names = Object.keys(parameters);
  // With one parameter its gradient is written where the optimiser reads it.
  const [only, ...others] = names;
  const into =
    only !== undefined && others.length === 0
      ? { [`gradient.${only}`]: store.scratch(own[0]![only]!.shape) }
      : undefined;
  // The tensors that each chunk saved in the last step. Their memory is used again while batches have the same size.
  let saved: Readonly<Record<string, Tensor>>[] = [];
  let batch: Readonly<Record<string, Tensor>> = {};
  let shapes = '';
  let step = start?.step ?? 0;

  return {
    async forward(feeds) {
      const now = JSON.stringify(Object.values(feeds).map(({ shape }) => shape));
      if (now !== shapes) saved = [];
      shapes = now;
      const given = { ...fixed, ...feeds };
      batch = { ...given, ...(shared ? await shared.run(pick(shared, given)) : {}) };
      let all: Float32Array | undefined;
      let shape: readonly number[] = [];
      for (let chunk = 0; chunk < chunks; chunk++) {
        const { partial, ...rest } = await forward.run(
          pick(forward, { ...batch, ...own[chunk] }),
          saved[chunk],
        );
        saved[chunk] = rest;
        const { shape: part, data } = partial!;
        all ??= new Float32Array(data.length * chunks);
        shape = [count, ...part.slice(1)];
        all.set(data as Float32Array, chunk * data.length);
      }
      return floatTensor(shape, all as Float32Array);
    },
    async backward(upstream, rate) {
      step++;
      for (let chunk = 0; chunk < chunks; chunk++) {
        const part = { ...own[chunk], ...saved[chunk], upstream: slice(upstream, chunk, chunk + 1, chunks) };
        const outputs = await backward.run(pick(backward, { ...batch, ...part }), into);
        for (const name of names) {
          store.update(name, outputs[`gradient.${name}`]!, step, rate, chunk, chunks);
        }
      }
    },
    read: async () => store.read(step),
    close: async () => {
      await Promise.all([shared?.close(), forward.close(), backward.close()]);
    },
  };
}

/** A view on the parts `from` to `to` of a tensor that is cut into `parts` equal parts along the first axis. */
export function slice({ dtype, shape, data }: Tensor, from: number, to: number, parts: number): Tensor {
  const rows = (shape[0]! / parts) * (to - from);
  const size = sizeOf(shape) / parts;
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.subarray(from * size, to * size) };
}
