import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Matrix, matrixOf } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import type { TaskWith } from './method.ts';
import { plainSupport } from './task.ts';

const folder = join(import.meta.dirname, '../../tests/fixtures/golden');

/** PyTorch's numbers for a small problem: `tip_adapter/small`, `trained/clap`, … */
export function goldenTensors(name: string): Map<string, Tensor> {
  return parseSafetensors(readFileSync(join(folder, `${name}.safetensors`))).tensors as Map<string, Tensor>;
}

// biome-ignore lint/suspicious/noExplicitAny: a file of numbers, whose form each test knows.
export function goldenNumbers(name: string): any {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
}

/** A tensor of two axes as a matrix; one of one axis as a single row. */
export function goldenMatrix(tensors: Map<string, Tensor>, name: string): Matrix {
  const tensor = tensors.get(name) as Tensor;
  return matrixOf(tensor.shape.length === 1 ? { ...tensor, shape: [1, ...tensor.shape] } : tensor);
}

const small = goldenTensors('tip_adapter/small');
const text = goldenMatrix(small, 'text_weights');

/** The small problem: 6 classes, 8 examples each, not sorted, 32 numbers a row. */
export const smallTask: TaskWith<'text'> = {
  classes: 6,
  dimension: 32,
  support: plainSupport(
    goldenMatrix(small, 'support_features'),
    Int32Array.from(small.get('support_labels')?.data as BigInt64Array, Number),
  ),
  head: {
    weights: text,
    promptFeatures: text,
    promptClass: Int32Array.of(0, 1, 2, 3, 4, 5),
    logitScale: 100,
  },
  seed: 1,
};
export const smallQueries = goldenMatrix(small, 'query_features');

export function expectClose(got: Matrix, expected: Matrix, tolerance = 1e-4): void {
  expect([got.rows, got.cols]).toEqual([expected.rows, expected.cols]);
  const worst = got.data.reduce((most, x, i) => Math.max(most, Math.abs(x - expected.data[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}
