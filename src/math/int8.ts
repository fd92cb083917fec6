import { atOnce, type Pieces } from '../abort.ts';
import { fromInt8, type Int8Rows } from './from-int8.ts';
import { type Matrix, matrix } from './matrix.ts';
import { converted } from './pieces.ts';

/**
 * Rows [n, d] in 8 bits; the largest absolute value of each column becomes 127. Columns have units of their own because some columns
 * of CLIP's embeddings are ten times as large as others. Rows that are already rounded do not change.
 */
export function toInt8(m: Matrix): Int8Rows {
  return atOnce(toInt8InPieces(m));
}

/** `toInt8` as work in pieces. */
export function* toInt8InPieces({ rows, cols, data }: Matrix): Pieces<Int8Rows> {
  const steps = new Float32Array(cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) steps[j] = Math.max(steps[j]!, Math.abs(data[i * cols + j]!));
    if (i % ROWS === ROWS - 1) yield;
  }
  for (let j = 0; j < cols; j++) steps[j]! /= 127;
  const values = new Int8Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++)
      if (steps[j]! > 0) values[i * cols + j] = Math.round(data[i * cols + j]! / steps[j]!);
    if (i % ROWS === ROWS - 1) yield;
  }
  return { values, steps };
}

/** Number of rows in one piece of work. */
const ROWS = 1024;

/** The rows rounded to 8 bits, as float32, [n, d]. */
export function roundToInt8(m: Matrix): Matrix {
  return atOnce(roundToInt8InPieces(m));
}

/** `roundToInt8` as work in pieces. */
export function* roundToInt8InPieces(m: Matrix): Pieces<Matrix> {
  const { values, steps } = yield* toInt8InPieces(m);
  const numbers = (part: Int8Array) => fromInt8({ values: part, steps });
  return matrix(m.rows, m.cols, yield* converted(values, new Float32Array(values.length), numbers, m.cols));
}

/** 1 / length of each row, 0 for a row of zeros, [n]. */
export function inverseLengths({ values, steps }: Int8Rows): Float32Array {
  const cols = steps.length;
  return Float32Array.from({ length: values.length / cols }, (_, i) => {
    let squares = 0;
    for (let j = 0; j < cols; j++) squares += (values[i * cols + j]! * steps[j]!) ** 2;
    return squares > 0 ? 1 / Math.sqrt(squares) : 0;
  });
}
