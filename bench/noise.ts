import { type Matrix, matrix, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import type { TaskWith } from '../src/methods/method.ts';
import { plainSupport } from '../src/methods/task.ts';

/** Random unit rows [rows, dimension], the same for the same number of rows. */
export function unitNoise(rows: number, dimension: number): Matrix {
  const noise = random('bench', rows);
  const data = Float32Array.from({ length: rows * dimension }, () => noise.uniform() - 0.5);
  return unitRows(matrix(rows, dimension, data));
}

/** A task of the given keys, with random text features. */
export function noiseTask(keys: Matrix, label: (i: number) => number, classes: number): TaskWith<'text'> {
  const text = unitNoise(classes, keys.cols);
  return {
    classes,
    dimension: keys.cols,
    support: plainSupport(
      keys,
      Int32Array.from({ length: keys.rows }, (_, i) => label(i)),
    ),
    head: {
      weights: text,
      promptFeatures: text,
      promptClass: Int32Array.from({ length: classes }, (_, c) => c),
      logitScale: 100,
    },
    seed: 1,
  };
}
