import { sizeOf, type Tensor } from '../math/tensor.ts';

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
  /** The values of the options that the sums depend on, as `sumOptionsOf` writes them. It is empty for most methods. */
  readonly options: string;
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

/** Whether a tensor has these sizes. */
export function hasShape(tensor: Tensor | undefined, shape: readonly number[]): boolean {
  return tensor?.shape.length === shape.length && tensor.shape.every((size, axis) => size === shape[axis]);
}

/** The number of rows of each class, [c]. */
export function rowCounts({ sums }: Sums): Float64Array {
  return sums.counts!.data;
}

/** The number of rows of all classes. */
export function rowCount(summary: Sums): number {
  return rowCounts(summary).reduce((sum, n) => sum + n, 0);
}
