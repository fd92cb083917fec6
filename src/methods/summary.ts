import { UsageError } from '../errors.ts';
import { sizeOf, type Tensor } from '../math/tensor.ts';

/** A sum over rows, in float64. */
export interface Sum extends Tensor {
  readonly dtype: 'float64';
  readonly data: Float64Array;
}

/**
 * What a method learns from in place of the examples: sums over their unit rows. Its size depends on the numbers of classes and dimensions
 * and on the method's options, and not on the number of rows.
 */
export interface Summary {
  /** The sums by name. `counts` [c] is the number of rows of each class. */
  readonly sums: Readonly<Record<string, Sum>>;
  /** What the rows were compared with while they were summed up, such as centres of clusters. Empty for most methods. */
  readonly basis: Readonly<Record<string, Tensor>>;
}

/** The summary of no rows, with sums of these sizes. */
export function emptySummary(
  classes: number,
  shapes: Readonly<Record<string, readonly number[]>>,
  basis: Summary['basis'] = {},
): Summary {
  const sums = Object.entries({ counts: [classes], ...shapes }).map(([name, shape]): [string, Sum] => [
    name,
    { dtype: 'float64', shape, data: new Float64Array(sizeOf(shape)) },
  ]);
  return { sums: Object.fromEntries(sums), basis };
}

/**
 * The summary of the rows of both: their sums are added. The order of merging changes the result only by the rounding of float64. Throws
 * `UsageError` if the summaries have different sums or another basis.
 */
export function mergeSummaries(a: Summary, b: Summary): Summary {
  const [own, others] = [Object.entries(a.sums), Object.keys(b.sums)];
  if (own.length !== others.length || own.some(([name, { shape }]) => !hasShape(b.sums[name], shape))) {
    throw unlike('they have different sums');
  }
  if (!sameBasis(a.basis, b.basis)) throw unlike('their rows were compared with different rows');
  const sums = own.map(([name, { shape, data }]): [string, Sum] => {
    const other = b.sums[name]!.data;
    return [name, { dtype: 'float64', shape, data: data.map((x, i) => x + other[i]!) }];
  });
  return { sums: Object.fromEntries(sums), basis: a.basis };
}

function hasShape(tensor: Tensor | undefined, shape: readonly number[]): boolean {
  return tensor?.shape.length === shape.length && tensor.shape.every((size, axis) => size === shape[axis]);
}

function sameBasis(a: Summary['basis'], b: Summary['basis']): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const [x, y] = [a[name]!, b[name]];
    return hasShape(y, x.shape) && x.data.every((value, i) => value === y!.data[i]);
  });
}

function unlike(why: string): UsageError {
  return new UsageError(`Two summaries cannot be merged: ${why}`, {
    code: 'summary/unlike',
    hint: 'Merge summaries of one method with the same classes, features, options and basis.',
  });
}

/** The number of rows of each class, [c]. */
export function rowCounts({ sums }: Summary): Float64Array {
  return sums.counts!.data;
}

/** The number of rows of all classes. */
export function rowCount(summary: Summary): number {
  return rowCounts(summary).reduce((sum, n) => sum + n, 0);
}
