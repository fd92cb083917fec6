import { atOnce, type Pieces } from '../abort.ts';
import { rowsToHalfInPieces } from '../math/half-rows.ts';
import { roundToInt8, roundToInt8InPieces } from '../math/int8.ts';
import { type Matrix, row, unitRowsInPieces } from '../math/matrix.ts';
import type { Support } from '../methods/task.ts';
import { sha256 } from '../sha256.ts';
import type { ClassifierData } from './types.ts';

/** Precision of the examples' features in the file: 16 or 8 bits. */
export type Keys = 'half' | 'int8';

/** Features rounded to the precision of the file. */
export function rounded(features: Matrix, keys: Keys): Matrix {
  return atOnce(roundedInPieces(features, keys));
}

/** The same as interruptible work. */
export function* roundedInPieces(features: Matrix, keys: Keys): Pieces<Matrix> {
  if (keys === 'int8') return yield* roundToInt8InPieces(yield* unitRowsInPieces(features));
  return yield* rowsToHalfInPieces(features);
}

/** The sha256 of each row of features in half precision, by which repeated rows of given features are recognised. */
export function* rowHashes(half: Matrix): Pieces<string[]> {
  const hashes: string[] = [];
  for (let i = 0; i < half.rows; i++) {
    hashes.push(sha256(row(half, i)));
    yield;
  }
  return hashes;
}

/** A combined support set, rounded again: in 8 bits the unit of a column depends on all rows. */
export function roundedAgain(support: Support, keys: ClassifierData['keys']): Support {
  return keys?.type === 'int8' ? { ...support, features: roundToInt8(support.features) } : support;
}
