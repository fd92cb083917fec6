import { UsageError } from '../errors.ts';
import { sizeOf, type Tensor } from '../math/tensor.ts';
import { count } from '../words.ts';

/** A sum over rows, in float64. */
export interface Sum extends Tensor {
  readonly dtype: 'float64';
  readonly data: Float64Array;
}

/**
 * Sums over the examples' unit rows, which a method learns from in place of the examples. Their size depends on the numbers of classes and
 * dimensions and on the method's options, and not on the number of rows.
 */
export interface Sums {
  /** The sums by name. `counts` [c] is the number of rows of each class. */
  readonly sums: Readonly<Record<string, Sum>>;
  /** The tensors that the rows were compared with while they were summed up, such as centres of clusters. Empty for most methods. */
  readonly basis: Readonly<Record<string, Tensor>>;
}

/** The origin of a summary's rows. Summaries whose origins differ are not merged. */
export interface SummaryOrigin {
  /** Id of the method whose sums they are. */
  readonly method: string;
  /** Fingerprint of the encoder that made the features, or the name by which the features' encoder is known. */
  readonly encoder: string;
  /** Ids of the classes, in the order of their numbers. */
  readonly classes: readonly string[];
}

/** Sums, and the origin of their rows. */
export interface Summary extends Sums {
  readonly origin: SummaryOrigin;
}

/** The sums of no rows, of these sizes. */
export function emptySums(
  shapes: Readonly<Record<string, readonly number[]>>,
  basis: Sums['basis'] = {},
): Sums {
  const sums = Object.entries(shapes).map(([name, shape]): [string, Sum] => [
    name,
    { dtype: 'float64', shape, data: new Float64Array(sizeOf(shape)) },
  ]);
  return { sums: Object.fromEntries(sums), basis };
}

/**
 * The summary of the rows of both: their sums are added. The order of merging changes the result only by the rounding of float64. Throws
 * `UsageError` that says what differs if they are of different methods, encoders or classes, or have different sums or another basis.
 */
export function mergeSummaries(a: Summary, b: Summary): Summary {
  const differs = originDifference(a.origin, b.origin);
  if (differs !== undefined) throw unlike(differs);
  const [own, others] = [Object.entries(a.sums), Object.keys(b.sums)];
  if (own.length !== others.length || own.some(([name, { shape }]) => !hasShape(b.sums[name], shape))) {
    throw unlike('they have different sums');
  }
  if (!sameBasis(a.basis, b.basis)) throw unlike('their rows were compared with different rows');
  return { origin: a.origin, ...addSums(a, b) };
}

/** The sums of the rows of both, which are of the same sizes. */
export function addSums(a: Sums, b: Sums): Sums {
  const sums = Object.entries(a.sums).map(([name, { shape, data }]): [string, Sum] => {
    const all = data.slice();
    b.sums[name]!.data.forEach((x, i) => {
      all[i]! += x;
    });
    return [name, { dtype: 'float64', shape, data: all }];
  });
  return { sums: Object.fromEntries(sums), basis: a.basis };
}

/** The difference between two origins, in words. Undefined if they are equal. */
function originDifference(a: SummaryOrigin, b: SummaryOrigin): string | undefined {
  if (a.method !== b.method) return `one is of the method ${a.method}, and the other of ${b.method}`;
  if (a.encoder !== b.encoder)
    return `one is of features of the encoder ${a.encoder}, and the other of ${b.encoder}`;
  const [c, d] = [a.classes.length, b.classes.length];
  if (c !== d) return `one is of ${count(c, 'class', 'classes')}, and the other of ${d}`;
  const at = a.classes.findIndex((name, k) => name !== b.classes[k]);
  return at < 0 ? undefined : `class ${at} is "${a.classes[at]}" in one, and "${b.classes[at]}" in the other`;
}

/** Whether a tensor has these sizes. */
export function hasShape(tensor: Tensor | undefined, shape: readonly number[]): boolean {
  return tensor?.shape.length === shape.length && tensor.shape.every((size, axis) => size === shape[axis]);
}

function sameBasis(a: Sums['basis'], b: Sums['basis']): boolean {
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
    hint: 'Merge summaries of one method with the same classes, encoder, options and basis.',
  });
}

/** The number of rows of each class, [c]. */
export function rowCounts({ sums }: Sums): Float64Array {
  return sums.counts!.data;
}

/** The number of rows of all classes. */
export function rowCount(summary: Sums): number {
  return rowCounts(summary).reduce((sum, n) => sum + n, 0);
}
