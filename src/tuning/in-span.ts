import type { Engine } from '../engine/types.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { concatRows, rowRange } from '../math/matrix.ts';
import { isInFile } from '../methods/file-rows.ts';
import { spanOf } from '../methods/row-span.ts';
import type { Task } from '../methods/task.ts';
import type { TuningSet } from './search-method.ts';

/** A task and the rows that candidates are compared on. */
export interface Comparison {
  readonly task: Task;
  readonly tuningSet: TuningSet;
}

/** Coordinates are used if their number is at most this share of the dimensions. They then save more time than they cost. */
const WORTH = 0.5;

/**
 * The same comparison in orthonormal coordinates of the span of examples and text rows, for methods with `rotates`. It is unchanged if the
 * span is not much smaller than the space, or if the tuning rows are not left-out examples: other rows need not lie in the span.
 */
export async function inSpan(engine: Engine, { task, tuningSet }: Comparison): Promise<Comparison> {
  const { support, head, dimension, signal } = task;
  const { features } = support;
  const rows = features.rows + (head?.weights.rows ?? 0);
  if (tuningSet.protocol !== 'folds' || rows > WORTH * dimension || isInFile(features))
    return { task, tuningSet };
  return withProducts(
    engine,
    async (products: Products) => {
      const all = head ? concatRows([features, head.weights]) : features;
      const span = await spanOf(all, products, signal);
      const queries = await products.productT(tuningSet.rows.queries, span.basis);
      return {
        task: {
          ...task,
          dimension: rows,
          spaceDimension: dimension,
          support: { ...support, features: rowRange(span.rows, 0, features.rows) },
          head: head && { ...head, weights: rowRange(span.rows, features.rows, rows) },
        },
        tuningSet: { ...tuningSet, rows: { ...tuningSet.rows, queries } },
      };
    },
    signal,
  );
}
