import type { Abortable } from '../abort.ts';
import { type FeatureBlock, type FeaturePart, unitBlock } from '../dataset/row-blocks.ts';
import type { Finding } from '../dataset/types.ts';
import type { Engine } from '../engine/types.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { UnitRows } from '../linalg/unit-rows.ts';
import { sizeOf } from '../math/tensor.ts';
import { isBuiltIn } from '../methods/registry.ts';
import type { SummaryOrigin, Sums } from '../methods/summary.ts';
import { sumShapes } from '../methods/summary-shapes.ts';
import type { Options, ValuesOf } from '../options.ts';
import { createRowSum, type RowSums, type Summing } from './row-sum.ts';
import { sumOnThreads } from './sum-threads.ts';

/** The rows that are summed up for a fit from a summary: those of a folder of features, or of the address of a store. */
export interface SummaryTask {
  readonly folder: string;
  readonly origin: SummaryOrigin;
  /** The method's options. */
  readonly options: ValuesOf<Options>;
  /** The name of the method's pass, if these are not its first sums. */
  readonly pass?: string;
  /** The tensors that the rows are compared with. */
  readonly basis: Sums['basis'];
  /** Decides which rows are left out. */
  readonly seed: number;
}

/** The sums of all rows, and findings about how they were made. */
export interface SummedRows extends RowSums {
  readonly findings?: readonly Finding[];
}

/** Sums up the rows, for example by several processes. `onRows` gets the number of rows that are done. */
export type SumRows = (
  task: SummaryTask,
  watch: Abortable & { onRows?(done: number): void },
) => Promise<SummedRows>;

/** Bytes of features from which on the start of another thread pays off. */
const BYTES_OF_THREAD = 2 ** 25;
/** Most bytes of the sums of all threads together, each of which has its own. */
const BYTES_OF_SUMS = 2 ** 30;

/** The number of threads on which rows are summed up, for features and sums of so many bytes. */
export function sumThreads(
  features: number,
  sums: number,
  { threads, bytesOfThread = BYTES_OF_THREAD }: { threads: number; bytesOfThread?: number },
): number {
  return Math.max(
    1,
    Math.min(threads, Math.floor(features / bytesOfThread), Math.floor(BYTES_OF_SUMS / sums)),
  );
}

/** Sums up the rows of parts: many on several threads, with one core each, and few in this one. `onRows` gets the number of labelled rows so far. */
export async function sumParts(
  summing: Summing,
  parts: readonly FeaturePart[],
  {
    engine,
    bytesOfThread,
    signal,
    onRows,
  }: Abortable & { engine?: Engine; bytesOfThread?: number; onRows?(done: number): void },
): Promise<RowSums> {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const threads = sumThreads(bytes, bytesOfSums(summing), { threads: engine?.threads ?? 1, bytesOfThread });
  if (threads > 1 && isBuiltIn(summing.method))
    return sumOnThreads(summing, parts, threads, { engine, signal, onRows });
  return withProducts(
    engine,
    async (products) => {
      const sum = createRowSum(summing, products);
      await eachBlock(parts, { signal, onRows }, (block) => sum.add(block));
      return sum.result();
    },
    signal,
  );
}

/** Bytes of the sums in float64. */
export function bytesOfSums({
  form,
  what: { task, options, basis },
}: Pick<Summing, 'form' | 'what'>): number {
  return Object.values(sumShapes(form, task, options, basis)).reduce(
    (bytes, shape) => bytes + 8 * sizeOf(shape),
    0,
  );
}

/** Reads the rows of parts, block by block. `onRows` gets the number of labelled rows so far. */
export async function eachBlock(
  parts: readonly FeaturePart[],
  { signal, onRows }: Abortable & { onRows?(done: number): void },
  use: (block: FeatureBlock) => Promise<void> | void,
): Promise<void> {
  const units = new UnitRows();
  const spare: ArrayBuffer[] = [];
  let done = 0;
  for (const part of parts) {
    for await (const block of part.blocks({ signal, spare })) {
      await use(unitBlock(block, units));
      spare.push(block.numbers.data.buffer as ArrayBuffer);
      done += block.labels.length;
      onRows?.(done);
    }
  }
}
