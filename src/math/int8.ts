import { type Matrix, matrix, row } from './matrix.ts';

/** Rows as 8-bit numbers: row i of `values` times `scales[i]` has unit length. */
export interface Int8Rows {
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

/**
 * The directions of rows [n, d] in 8 bits, each row's largest number as 127. What is rounded already stays as it is. A row of zeros
 * stays zero.
 */
export function toInt8Rows(m: Matrix): Int8Rows {
  const values = new Int8Array(m.data.length);
  const scales = new Float32Array(m.rows);
  for (let i = 0; i < m.rows; i++) {
    const source = row(m, i);
    let top = 0;
    for (let j = 0; j < source.length; j++) top = Math.max(top, Math.abs(source[j]));
    if (top === 0) continue;
    let squares = 0;
    for (let j = 0; j < source.length; j++) {
      const x = Math.round((source[j] / top) * 127);
      values[i * m.cols + j] = x;
      squares += x * x;
    }
    scales[i] = 1 / Math.sqrt(squares);
  }
  return { values, scales };
}

/** The rows' numbers, [n, d]. */
export function scaledRows(values: Int8Array, scales: Float32Array): Float32Array {
  const out = new Float32Array(values.length);
  const cols = values.length / scales.length;
  for (let i = 0; i < scales.length; i++)
    for (let k = i * cols; k < (i + 1) * cols; k++) out[k] = values[k] * scales[i];
  return out;
}

/** The rows as they are after being stored in 8 bits: of unit length. */
export function roundToInt8(m: Matrix): Matrix {
  const { values, scales } = toInt8Rows(m);
  return matrix(m.rows, m.cols, scaledRows(values, scales));
}
