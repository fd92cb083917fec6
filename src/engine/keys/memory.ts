import { type Matrix, matrix, norm, row } from '../../math/matrix.ts';
import type { KeyCache } from './types.ts';

/**
 * A cache over keys that are already in memory, in any order. It needs no preparation before the first answer, so it suits keys that
 * change between calls and few queries at a time. The engine is faster for many queries.
 *
 * @param keys rows of any length, [n, d] @param scales 1 / length of each row, [n] @param labels class of each, [n]
 */
export function keysInMemory(
  keys: Matrix,
  scales: Float32Array,
  labels: Int32Array,
  classes: number,
): KeyCache {
  function votesOf(feature: Float32Array, beta: number): Float32Array {
    const length = norm(feature) || 1;
    const unit = feature.map((value) => value / length);
    const out = new Float32Array(keys.rows);
    for (let i = 0; i < keys.rows; i++) {
      out[i] = Math.exp(beta * (scales[i]! * dotAt(keys.data, i * keys.cols, unit) - 1));
    }
    return out;
  }

  return {
    async classSums(features, beta) {
      const out = matrix(features.rows, classes);
      for (let q = 0; q < features.rows; q++) {
        const sums = row(out, q);
        votesOf(row(features, q), beta).forEach((vote, i) => {
          sums[labels[i]!]! += vote;
        });
      }
      return out;
    },
    votes: async (feature, beta) => votesOf(feature, beta),
    close: async () => {},
  };
}

/** The dot product with the row that begins at `at`. Four partial sums keep the additions independent of each other. */
function dotAt(data: Float32Array, at: number, values: Float32Array): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let e = 0;
  const even = values.length & ~3;
  for (let j = 0; j < even; j += 4) {
    a += data[at + j]! * values[j]!;
    b += data[at + j + 1]! * values[j + 1]!;
    c += data[at + j + 2]! * values[j + 2]!;
    e += data[at + j + 3]! * values[j + 3]!;
  }
  for (let j = even; j < values.length; j++) a += data[at + j]! * values[j]!;
  return a + b + c + e;
}
