import type { Engine } from '../engine/types.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { RowAdder } from '../linalg/row-adder.ts';
import type { Options, ValuesOf } from '../options.ts';
import type { SumForm, SummaryForm } from './method.ts';
import type { Samples } from './samples.ts';
import { emptySums, type Sums } from './summary.ts';
import { sumShapes } from './summary-shapes.ts';
import type { Task } from './task.ts';

/** The task, options and basis that a summary is made with. */
export interface Summarising {
  readonly task: Pick<Task, 'classes' | 'dimension' | 'signal'>;
  readonly options: ValuesOf<Options>;
  readonly basis?: Sums['basis'];
}

/** Adds rows to sums, block by block. The engine may still compute with the blocks before. */
export interface Summariser {
  /** Adds unit rows. The caller may change them afterwards. */
  add(samples: Samples): Promise<void>;
  /** The sums of all rows so far. */
  sums(): Promise<Sums>;
}

/** A summariser without rows, which computes with the given products. */
export function createSummariser(
  form: SumForm,
  { task, options, basis }: Summarising,
  products: Products,
): Summariser {
  const all = emptySums(sumShapes(form, task, options, basis), basis);
  const counts = all.sums.counts!.data;
  const adder = new RowAdder(products);
  return {
    async add(samples) {
      if (samples.labels.length === 0) return;
      samples.labels.forEach((label) => {
        counts[label]!++;
      });
      await form.add(all, samples, { task, options, products, adder });
    },
    async sums() {
      await adder.flush();
      return all;
    },
  };
}

/** The sums of unit rows. A basis that is not given is chosen from the rows. */
export async function summariseWith(
  form: SumForm & Pick<SummaryForm, 'basis'>,
  samples: Samples,
  { basis, ...what }: Summarising,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Sums> {
  return withProducts(
    engine,
    async (products) => {
      const { task, options } = what;
      const own = basis ?? (await form.basis?.choose(samples, task, options));
      const summariser = createSummariser(form, { ...what, basis: own }, products);
      await summariser.add(samples);
      return summariser.sums();
    },
    signal,
  );
}
