import { UsageError } from '../errors.ts';

/** A dense row-major tensor: what graphs are fed, what engines return, what safetensors files hold. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** float16 and bfloat16 are kept as their 16 bits; bool as bytes 0 and 1. */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'int8'
  | 'bool';

/** The numbers of a tensor, row-major; the array type goes with its `dtype`. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Int8Array;

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, dim) => n * dim, 1);
}

interface OfRank<D> {
  2: [D, D];
  3: [D, D, D];
  4: [D, D, D, D];
}

/** The sizes of a shape that must be of this rank. Throws `UsageError` where it is of another. */
export function ofRank<D, R extends keyof OfRank<D>>(shape: readonly D[], rank: R): OfRank<D>[R] {
  if (shape.length === rank) return [...shape] as OfRank<D>[R];
  throw new UsageError(`A tensor [${shape.join(', ')}] is given where one with ${rank} axes is needed`, {
    code: 'tensor/rank',
    details: { shape, rank },
  });
}

/** A float32 tensor of these sizes over this array, which is not copied. */
export function floatTensor(shape: readonly number[], data: Float32Array): Tensor {
  return { dtype: 'float32', shape, data };
}
