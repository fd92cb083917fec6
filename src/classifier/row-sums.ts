import type { Abortable } from '../abort.ts';
import type { FeatureBlock, FeaturePart } from '../dataset/row-blocks.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { listMethods } from '../methods/index.ts';
import type { SummaryForm } from '../methods/method.ts';
import type { Samples } from '../methods/samples.ts';
import { createSummariser, type Summarising } from '../methods/summariser.ts';
import type { SummaryOrigin, Sums } from '../methods/summary.ts';
import type { Options, ValuesOf } from '../options.ts';
import { createCollection, divided } from './left-out-rows.ts';

/** The sums of the rows that are not left out, and the rows that are. */
export interface RowSums {
  readonly sums: Sums;
  readonly left: Samples;
}

/** What is summed up for a fit from a summary: the rows of a folder of features, or of the address of a store. */
export interface SummaryTask {
  readonly folder: string;
  readonly origin: SummaryOrigin;
  /** The method's options. */
  readonly options: ValuesOf<Options>;
  /** Decides which rows are left out. */
  readonly seed: number;
}

/** Sums up the rows, for example by several processes. `onRows` gets the number of rows that are done. */
export type SumRows = (
  task: SummaryTask,
  watch: Abortable & { onRows?(done: number): void },
) => Promise<RowSums>;

export type IsLeftOut = (place: number) => boolean;

/** Sums up the rows of parts. */
export async function sumParts(
  form: SummaryForm,
  what: Summarising,
  parts: readonly FeaturePart[],
  isLeftOut: IsLeftOut,
  { engine, signal, onRows }: Abortable & { engine?: Engine; onRows?(done: number): void },
): Promise<RowSums> {
  return withProducts(
    engine,
    async (products) => {
      const summariser = createSummariser(form, what, products);
      const collection = createCollection(what.task.dimension);
      await eachBlock(parts, { signal, onRows }, async (block) => {
        const { rest, left } = divided(block, isLeftOut);
        collection.add(left);
        await summariser.add(rest);
      });
      return { sums: await summariser.sums(), left: collection.samples() };
    },
    signal,
  );
}

/** Reads the rows of parts, block by block. `onRows` gets the number of labelled rows so far. */
export async function eachBlock(
  parts: readonly FeaturePart[],
  { signal, onRows }: Abortable & { onRows?(done: number): void },
  use: (block: FeatureBlock) => Promise<void> | void,
): Promise<void> {
  let done = 0;
  for (const part of parts) {
    for await (const block of part.blocks({ signal })) {
      await use(block);
      done += block.labels.length;
      onRows?.(done);
    }
  }
}

/** Refuses a method that reads the rows several times: sums of parts are made in one reading. Throws `UsageError`. */
export function checkOneReading(form: SummaryForm, method: string): void {
  if (!form.basis) return;
  const able = listMethods().flatMap(({ id, summary }) => (summary && !summary.basis ? [id] : []));
  throw new UsageError(
    `${method} reads the features several times, and sums of parts are made in one reading`,
    {
      code: 'fit/several-readings',
      hint: `Leave out --queue and --sums (in a program sumRows), or give a method that reads them once: ${able.join(', ')}.`,
      details: { method },
    },
  );
}
