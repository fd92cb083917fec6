import { type Matrix, matrix, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { encodeSafetensors } from '../store/safetensors.ts';

/** A .npy file of float32. */
export function npy({ rows, cols, data }: Matrix): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11);
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([
    head,
    Buffer.from(`${padded}\n`),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

/** A .npy file of int64. */
export function npyLabels(labels: readonly number[]): Buffer {
  const floats = npy(matrix(labels.length, 2));
  const start = floats.length - labels.length * 8;
  BigInt64Array.from(labels, BigInt).forEach((label, i) => {
    floats.writeBigInt64LE(label, start + 8 * i);
  });
  const header = floats
    .toString('latin1', 0, start)
    .replace('<f4', '<i8')
    .replace(`(${labels.length}, 2), `, `(${labels.length},),   `);
  floats.write(header, 'latin1');
  return floats;
}

export function safetensors(tensors: Record<string, Tensor>): Buffer {
  return Buffer.from(encodeSafetensors(tensors));
}

export function featuresTensor({ rows, cols, data }: Matrix): Tensor {
  return floatTensor([rows, cols], data);
}

export function labelsTensor(shape: number[], labels: readonly number[]): Tensor {
  return { dtype: 'int64', shape, data: BigInt64Array.from(labels, BigInt) };
}

/** Features whose classes lie around at most as many directions as there are columns. */
export function rowsOf(labels: readonly number[], seed: string): Matrix {
  const { normal } = random('bench', seed);
  const data = Float32Array.from(
    { length: labels.length * 8 },
    (_, at) => Number(at % 8 === labels[Math.floor(at / 8)]) + 0.35 * normal(),
  );
  return unitRows(matrix(labels.length, 8, data));
}
