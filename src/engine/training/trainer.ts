import { ModelError, UsageError } from '../../errors.ts';
import { floatTensor, sizeOf, type Tensor } from '../../math/tensor.ts';
import { createUpdate, momentCount, type Update } from './optimiser.ts';
import type { TrainingPlan } from './plan.ts';
import type { Blocks, StepResult, Trainer, TrainingSpec, TrainingState } from './types.ts';

/** A prepared graph: feeds in, all outputs out. Outputs named in `into` may be written to those arrays instead. */
export interface Run {
  readonly inputs: readonly string[];
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

/** The part of a spec that is data, and can be sent to another thread. */
export type TrainingData = Pick<TrainingSpec, 'parameters' | 'fixed' | 'optimiser' | 'start'> & {
  readonly blocks?: Omit<Blocks, 'partial'>;
};

export function dataOf({ parameters, fixed, optimiser, start, blocks }: TrainingSpec): TrainingData {
  if (!blocks) return { parameters, fixed, optimiser, start };
  const { count, perChunk, sliced, result } = blocks;
  return { parameters, fixed, optimiser, start, blocks: { count, perChunk, sliced, result } };
}

/** Trains beside the runtime that runs the plan's graphs: parameters and moments share one memory with the optimiser's kernel. */
export async function createTrainer<G>(
  plan: TrainingPlan<G>,
  data: TrainingData,
  compile: (graph: G) => Promise<Run>,
): Promise<Trainer> {
  const store = allocate(data);
  const update = createUpdate(data.optimiser, store.memory);
  const loss = await compile(plan.loss);
  const chunks = plan.blocks && (await createChunks(plan.blocks, data, store, update, compile));
  let step = data.start?.step ?? 0;

  return {
    async step(feeds, rate) {
      step++;
      const all = { ...data.fixed, ...feeds };
      if (chunks) {
        const result = await chunks.forward(all);
        const outputs = await loss.run(pick(loss, { ...all, [result.name]: result.tensor }));
        await chunks.backward(all, outputs['gradient.result'], step, rate);
        return report(outputs);
      }
      const outputs = await loss.run(pick(loss, { ...all, ...store.tensors }));
      for (const [name, place] of Object.entries(store.places)) {
        store.write(outputs[`gradient.${name}`].data as Float32Array);
        update({ ...place, gradient: store.gradient }, step, rate);
      }
      return report(outputs);
    },
    read: async () => store.read(step),
    close: async () => {
      await Promise.all([loss.close(), chunks?.close()]);
    },
  };
}

function report(outputs: Readonly<Record<string, Tensor>>): StepResult {
  const loss = Number(outputs.loss.data[0]);
  if (!Number.isFinite(loss)) {
    throw new ModelError(`The training loss became ${loss}`, {
      code: 'training/diverged',
      hint: 'Lower the learning rate.',
    });
  }
  const observed = Object.entries(outputs).filter(([name]) => name.startsWith('observe.'));
  return {
    loss,
    observed: Object.fromEntries(observed.map(([name, { data }]) => [name.slice(8), Number(data[0])])),
  };
}

function pick({ inputs }: Run, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(inputs.map((name) => [name, feeds[name]]));
}

interface Chunks {
  forward(feeds: Readonly<Record<string, Tensor>>): Promise<{ name: string; tensor: Tensor }>;
  backward(
    feeds: Readonly<Record<string, Tensor>>,
    upstream: Tensor,
    step: number,
    rate: number,
  ): Promise<void>;
  close(): Promise<void>;
}

/** Runs a plan's blocks chunk after chunk; the last chunk is as large as the others, so `count` must divide. */
async function createChunks<G>(
  plan: NonNullable<TrainingPlan<G>['blocks']>,
  { parameters, fixed = {}, blocks }: TrainingData,
  store: Store,
  update: Update,
  compile: (graph: G) => Promise<Run>,
): Promise<Chunks> {
  const { count, perChunk, sliced, result } = blocks as NonNullable<TrainingData['blocks']>;
  if (count % perChunk !== 0) {
    throw new UsageError(`${count} blocks do not make chunks of ${perChunk}`, { code: 'training/chunks' });
  }
  const shared = plan.shared && (await compile(plan.shared));
  const [forward, backward] = [await compile(plan.forward), await compile(plan.backward)];
  const slices = Array.from({ length: count / perChunk }, (_, chunk) =>
    Object.fromEntries(
      sliced.map((name) => [name, slice(store.tensors[name] ?? fixed[name], chunk, count / perChunk)]),
    ),
  );
  let hoisted: Readonly<Record<string, Tensor>> = {};
  let saved: Readonly<Record<string, Tensor>>[] = [];

  return {
    async forward(feeds) {
      hoisted = shared ? await shared.run(pick(shared, feeds)) : {};
      saved = [];
      let all: Float32Array | undefined;
      let shape: readonly number[] = [];
      for (const [chunk, own] of slices.entries()) {
        const { partial, ...rest } = await forward.run(pick(forward, { ...feeds, ...hoisted, ...own }));
        saved.push(rest);
        all ??= new Float32Array(partial.data.length * slices.length);
        shape = [count, ...partial.shape.slice(1)];
        all.set(partial.data as Float32Array, chunk * partial.data.length);
      }
      return { name: result, tensor: floatTensor(shape, all as Float32Array) };
    },
    async backward(feeds, upstream, step, rate) {
      for (const [chunk, own] of slices.entries()) {
        const given = {
          ...feeds,
          ...hoisted,
          ...own,
          ...saved[chunk],
          upstream: slice(upstream, chunk, slices.length),
        };
        const outputs = await backward.run(pick(backward, given));
        for (const name of Object.keys(parameters)) {
          store.write(outputs[`gradient.${name}`].data as Float32Array);
          update(store.part(name, chunk, slices.length), step, rate);
        }
      }
      saved = [];
    },
    close: async () => {
      await Promise.all([shared?.close(), forward.close(), backward.close()]);
    },
  };
}

/** The `index`-th of `parts` equal pieces along the first axis, without a copy. */
function slice({ dtype, shape, data }: Tensor, index: number, parts: number): Tensor {
  const rows = shape[0] / parts;
  const size = sizeOf(shape) / parts;
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.subarray(index * size, (index + 1) * size) };
}

interface Store {
  readonly memory: WebAssembly.Memory;
  /** Parameters as tensors over the memory. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly places: Readonly<Record<string, { parameter: number; moments: number[]; count: number }>>;
  /** Address of the gradient that is being applied. */
  readonly gradient: number;
  write(gradient: Float32Array): void;
  part(
    name: string,
    index: number,
    parts: number,
  ): { parameter: number; gradient: number; moments: number[]; count: number };
  read(step: number): TrainingState;
}

const PAGE = 65_536;

/** One memory for parameters, moments and one gradient, each starting at a multiple of 16 bytes. */
function allocate({ parameters, optimiser, start, blocks }: TrainingData): Store {
  const sizes = Object.values(parameters).map(({ shape }) => padded(sizeOf(shape)));
  const parts = blocks ? blocks.count / blocks.perChunk : 1;
  const largest = Math.max(...sizes);
  const numbers = sizes.reduce((n, size) => n + size, 0) * (1 + momentCount(optimiser)) + largest + 4;
  const memory = reserve(numbers * 4);
  let next = 0;
  const take = (count: number): number => {
    const at = next;
    next += padded(count) * 4;
    return at;
  };
  const view = (at: number, count: number) => new Float32Array(memory.buffer, at, count);
  const places: Record<string, { parameter: number; moments: number[]; count: number }> = {};
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape, data }] of Object.entries(parameters)) {
    const size = sizeOf(shape);
    if (parts > 1 && (size / parts) % 4 !== 0) {
      throw new UsageError(`A chunk of ${name} must hold a multiple of 4 numbers`, {
        code: 'training/chunks',
      });
    }
    const place = {
      parameter: take(size),
      moments: Array.from({ length: momentCount(optimiser) }, () => take(size)),
      count: padded(size),
    };
    view(place.parameter, size).set((start?.parameters[name].data ?? data) as Float32Array);
    place.moments.forEach((at, i) => {
      const known = start?.moments[`${name}.${i + 1}`];
      if (known) view(at, size).set(known.data as Float32Array);
    });
    places[name] = place;
    tensors[name] = floatTensor(shape, view(place.parameter, size));
  }
  const gradient = take(largest);
  const copy = (at: number, shape: readonly number[]) => floatTensor(shape, view(at, sizeOf(shape)).slice());
  return {
    memory,
    tensors,
    places,
    gradient,
    write: (values) => view(gradient, values.length).set(values),
    part: (name, index, of) => {
      const { parameter, moments, count } = places[name];
      const offset = (index * count * 4) / of;
      return {
        parameter: parameter + offset,
        gradient,
        moments: moments.map((at) => at + offset),
        count: count / of,
      };
    },
    read: (step) => ({
      step,
      parameters: Object.fromEntries(
        Object.entries(places).map(([name, place]) => [name, copy(place.parameter, tensors[name].shape)]),
      ),
      moments: Object.fromEntries(
        Object.entries(places).flatMap(([name, place]) =>
          place.moments.map((at, i) => [`${name}.${i + 1}`, copy(at, tensors[name].shape)]),
        ),
      ),
    }),
  };
}

function padded(count: number): number {
  return Math.ceil(count / 4) * 4;
}

function reserve(bytes: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  } catch {
    throw new ModelError(`Training needs ${Math.ceil(bytes / 2 ** 20)} MB in one piece, which there is not`, {
      code: 'training/memory',
      hint: 'Parameters and their moments must fit into 4 GB. Use fewer examples, or a method that is not trained.',
    });
  }
}
