import { UsageError } from '../errors.ts';

/** A dense row-major tensor: the inputs and outputs of graphs and engines, and the contents of safetensors files. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Number types. float16 and bfloat16 are stored as their 16 bits, bool as bytes 0 and 1. */
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

/** The numbers of a tensor, row-major. `dtype` determines the array type. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Int8Array;

/** A tensor that lies in a file, row-major and little-endian. */
export interface StoredTensor {
  /** The file's name in the folder that the engine is given (`WeightFiles`). */
  readonly file: string;
  /** The position of the first number in the file, in bytes. */
  readonly offset: number;
  readonly dtype: 'float32' | 'float16' | 'bfloat16';
  readonly shape: readonly number[];
}

/** Number of bytes of one number in a file. */
export function bytesPerNumber({ dtype }: Pick<StoredTensor, 'dtype'>): number {
  return dtype === 'float32' ? 4 : 2;
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, dim) => n * dim, 1);
}

export interface OfRank<D> {
  2: [D, D];
  3: [D, D, D];
  4: [D, D, D, D];
}

/** The sizes of a shape of the given rank. Throws `UsageError` if the shape has another rank. */
export function ofRank<D, R extends keyof OfRank<D>>(shape: readonly D[], rank: R): OfRank<D>[R] {
  if (shape.length === rank) return [...shape] as OfRank<D>[R];
  throw new UsageError(
    `A tensor of shape [${shape.join(', ')}] was given, but one with ${rank} axes is needed`,
    {
      code: 'tensor/rank',
      details: { shape, rank },
    },
  );
}

/** Index of the first number that is NaN or infinite; -1 if all are finite. */
export function firstNotFinite(values: Float32Array): number {
  // A number's exponent is all ones if it is not finite. Adding one to it then reaches the sign bit, which is quicker than comparing numbers.
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let signs = 0;
  for (let i = 0; i < words.length; i++) signs |= (words[i]! & 0x7f800000) + 0x800000;
  return signs >= 0 ? -1 : values.findIndex((x) => !Number.isFinite(x));
}

/** A float32 tensor of the given shape over `data`, which is not copied. */
export function floatTensor(shape: readonly number[], data: Float32Array): Tensor {
  return { dtype: 'float32', shape, data };
}

/** The transpose [c, r] of a matrix [r, c], in float32. */
export function transposed({ shape, data }: Tensor): Tensor {
  const [rows, cols] = ofRank(shape, 2);
  const out = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) out[j * rows + i] = Number(data[i * cols + j]);
  return floatTensor([cols, rows], out);
}
