import { ModelError, UsageError } from '../../errors.ts';
import { floatTensor, sizeOf, type Tensor } from '../../math/tensor.ts';
import { number } from '../../words.ts';
import { createUpdate } from './kernel-update.ts';
import { momentCount } from './optimiser.ts';
import type { TrainingData, TrainingState } from './types.ts';

/** Parameters, moments and one gradient in the memory of the optimiser's kernel. */
export interface Store {
  /** The parameters, as views on the memory. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** A tensor that is a view on the gradient's memory, so that a gradient written there need not be copied. */
  scratch(shape: readonly number[]): Tensor;
  /** Takes the `step`-th step, counted from 1, of a parameter, or of the `index`-th of `parts` equal parts of it. */
  update(name: string, gradient: Tensor, step: number, rate: number, index?: number, parts?: number): void;
  read(step: number): TrainingState;
}

const PAGE = 65_536;

/** Lays out parameters and moments, each at a multiple of 16 bytes. Throws `ModelError` if there is not enough memory. */
export function allocate({ parameters, optimiser, start, blocks }: TrainingData): Store {
  const sizes = Object.values(parameters).map(({ shape }) => padded(sizeOf(shape)));
  const parts = blocks ? blocks.count / blocks.perChunk : 1;
  const largest = Math.max(...sizes) / parts;
  const numbers = sizes.reduce((n, size) => n + size, 0) * (1 + momentCount(optimiser)) + largest + 4;
  const memory = reserve(numbers * 4);
  const kernel = createUpdate(optimiser, memory);
  let next = 0;
  const take = (count: number): number => {
    const at = next;
    next += padded(count) * 4;
    return at;
  };
  const view = (at: number, count: number) => new Float32Array(memory.buffer, at, count);
  const places: Record<string, { parameter: number; moments: number[]; count: number }> = {};
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape }] of Object.entries(parameters)) {
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
    view(place.parameter, size).set((start?.parameters ?? parameters)[name]!.data as Float32Array);
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
    tensors,
    scratch: (shape) => floatTensor(shape, view(gradient, sizeOf(shape))),
    update: (name, { data }, step, rate, index = 0, of = 1) => {
      if (data.buffer !== memory.buffer) view(gradient, data.length).set(data as Float32Array);
      const { parameter, moments, count } = places[name]!;
      const offset = (index * count * 4) / of;
      const place = {
        parameter: parameter + offset,
        gradient,
        moments: moments.map((at) => at + offset),
        count: count / of,
      };
      kernel(place, step, rate);
    },
    read: (step) => ({
      step,
      parameters: Object.fromEntries(
        Object.entries(places).map(([name, place]) => [name, copy(place.parameter, tensors[name]!.shape)]),
      ),
      moments: Object.fromEntries(
        Object.entries(places).flatMap(([name, place]) =>
          place.moments.map((at, i) => [`${name}.${i + 1}`, copy(at, tensors[name]!.shape)]),
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
    throw new ModelError(
      `Training needs ${number(Math.ceil(bytes / 2 ** 20))} MiB of memory in one piece, and there is not enough`,
      {
        code: 'training/memory',
        hint: 'Parameters and their moments must fit into 4 GB. Use fewer examples, or a method that is not trained.',
      },
    );
  }
}
