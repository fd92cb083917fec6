import type { Engine } from '../engine/types.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import type { Options, ValuesOf } from '../options.ts';
import type { SummaryForm } from './method.ts';
import type { Samples } from './samples.ts';
import { emptySummary, type Summary } from './summary.ts';
import type { Task } from './task.ts';

/** What a summary is made with. */
export interface Summarising {
  readonly task: Pick<Task, 'classes' | 'dimension' | 'head'>;
  readonly options: ValuesOf<Options>;
  readonly basis?: Summary['basis'];
}

/** Adds rows to a summary, block by block, while the engine still computes with the block before. */
export interface Summariser {
  /** Adds unit rows. The caller does not change them afterwards. */
  add(samples: Samples): Promise<void>;
  /** The summary of all rows so far. */
  summary(): Promise<Summary>;
}

/** A summariser of no rows yet, on the given products. */
export function createSummariser(
  form: SummaryForm,
  { task, options, basis }: Summarising,
  products: Products,
): Summariser {
  const summary = emptySummary(task.classes, form.shapes(task, options), basis);
  const counts = summary.sums.counts!.data;
  let pending: Promise<void> = Promise.resolve();
  return {
    async add(samples) {
      if (samples.labels.length === 0) return;
      samples.labels.forEach((label) => {
        counts[label]!++;
      });
      const work = form.add(summary, samples, { task, options, products });
      const before = pending;
      pending = Promise.resolve(work);
      pending.catch(() => {});
      await before;
    },
    async summary() {
      await pending;
      return summary;
    },
  };
}

/** The summary of unit rows. */
export async function summariseWith(
  form: SummaryForm,
  samples: Samples,
  what: Summarising,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Summary> {
  return withProducts(
    engine,
    async (products) => {
      const summariser = createSummariser(form, what, products);
      await summariser.add(samples);
      return summariser.summary();
    },
    signal,
  );
}
