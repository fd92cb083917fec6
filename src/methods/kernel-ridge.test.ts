import { describe, expect, it } from 'vitest';
import { type Matrix, matrix, productT, selectRows, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { kernelRidge, radial } from './kernel-ridge.ts';

const { normal } = random('kernel ridge');
const gaussian = (rows: number, cols: number) =>
  matrix(rows, cols, Float32Array.from({ length: rows * cols }, normal));
const rows = unitRows(gaussian(180, 4));
const queries = unitRows(gaussian(50, 4));
const targets = matrix(
  180,
  1,
  Float32Array.from({ length: 180 }, (_, i) => Math.sin(3 * rows.data[4 * i]!)),
);
const ridge = { kernel: radial(2), lambda: 0.1 };

async function predictions(keys: Matrix): Promise<Float32Array> {
  const coefficients = await kernelRidge(rows, keys, targets, ridge, {});
  const k = productT(queries, keys).data.map((x) => Math.exp(2 * (x - 1)));
  return productT(matrix(50, keys.rows, k), matrix(1, keys.rows, coefficients.data)).data;
}

describe('kernel ridge', () => {
  it('by landmarks approaches the exact solution as their number grows', async () => {
    const exact = await predictions(rows);
    const gap = async (landmarks: number) => {
      const near = await predictions(selectRows(rows, [...Array(landmarks).keys()]));
      return near.reduce((most, x, i) => Math.max(most, Math.abs(x - exact[i]!)), 0);
    };
    const gaps = [await gap(12), await gap(60), await gap(120), await gap(180)];
    expect(gaps).toEqual(gaps.toSorted((x, y) => y - x));
    const largest = Math.max(...exact);
    expect(gaps[2]).toBeLessThan(0.03 * largest);
    expect(gaps[3]).toBeLessThan(0.005 * largest);
  });
});
