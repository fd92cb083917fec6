import type { Pieces } from '../abort.ts';
import { LARGEST_HALF, roundToHalf } from './half.ts';
import { type Matrix, matrix, norm, row } from './matrix.ts';

/** The smallest normal number of half precision. Below it, numbers keep fewer digits. */
const SMALLEST_NORMAL = 2 ** -14;

/** Number of rows in one piece of work. */
const ROWS = 1024;

/**
 * Rows rounded to half precision, as float32, [n, d]. A row with a number above the largest one of half precision is brought to unit length
 * before, and so is a row whose root mean square is below the smallest normal number, because rounding would lose its direction.
 */
export function* rowsToHalfInPieces(m: Matrix): Pieces<Matrix> {
  const out = matrix(m.rows, m.cols);
  for (let i = 0; i < m.rows; i++) {
    if (i % ROWS === ROWS - 1) yield;
    const own = row(m, i);
    const length = norm(own);
    row(out, i).set(roundToHalf(isHeld(own, length) ? own : own.map((x) => x / length)));
  }
  return out;
}

/** Whether the direction of a row of this length survives the rounding. That of a row of zeros does. */
function isHeld(values: Float32Array, length: number): boolean {
  if (length < SMALLEST_NORMAL * Math.sqrt(values.length)) return length === 0;
  // No number of a row is larger than its length.
  return length <= LARGEST_HALF || values.every((x) => Math.abs(x) <= LARGEST_HALF);
}
