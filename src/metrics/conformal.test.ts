import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromRows, matrix, softmax } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { conformalQuantile, conformalSets, evaluateSets } from './conformal.ts';

/** Probabilities [n, 2] with the given probability for class 0, which is the true one. */
const certain = (p: number[]) => fromRows(p.map((x) => [x, 1 - x]));

describe('conformal quantile', () => {
  it('is the k-th smallest score, k = ceil((n + 1)(1 - miss))', () => {
    const nine = certain([1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0]);
    const labels = new Int32Array(9);
    expect(conformalQuantile(nine, labels, 0.1)).toBe(1);
    expect(conformalQuantile(nine, labels, 0.2)).toBe(0.875);
    expect(conformalQuantile(nine, labels, 0.5)).toBe(0.5);
    // 10 * (1 - 0.7) is 3.0000000000000004 in floating point; k is 3.
    expect(conformalQuantile(nine, labels, 0.7)).toBe(0.25);
  });

  it('takes every class if there are too few rows', () => {
    expect(conformalQuantile(certain([1, 1]), [0, 0], 0.1)).toBe(1);
    expect(conformalQuantile(matrix(0, 2), [], 0.1)).toBe(1);
  });

  it.each([0, 1, Number.NaN])('refuses a miss of %d', (miss) => {
    expect(() => conformalQuantile(certain([1]), [0], miss)).toThrow(
      expect.objectContaining({ code: 'metrics/miss' }),
    );
  });
});

describe('conformal sets', () => {
  it('contain the probable classes, most probable first, and may be empty', () => {
    const p = fromRows([
      [0.25, 0.625, 0.125],
      [0.375, 0.3125, 0.3125],
    ]);
    expect(conformalSets(p, 0.75)).toEqual([
      [1, 0],
      [0, 1, 2],
    ]);
    expect(conformalSets(p, 0.5)).toEqual([[1], []]);
    expect(evaluateSets(conformalSets(p, 0.5), [1, 0])).toEqual({
      covered: 1,
      coverage: 0.5,
      meanSize: 0.5,
      maxSize: 1,
      empty: 1,
    });
  });

  it('cover the rows that they were made from with the given probability', () => {
    const miss = fc.double({ min: 0.05, max: 0.9, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 60 }), miss, fc.nat(), (rows, share, seed) => {
        const r = random('conformal', seed);
        const p = fromRows(Array.from({ length: rows }, () => softmax([r.normal(), r.normal(), r.normal()])));
        const labels = Int32Array.from({ length: rows }, () => r.integer(3));
        const { coverage } = evaluateSets(conformalSets(p, conformalQuantile(p, labels, share)), labels);
        expect(coverage).toBeGreaterThanOrEqual(1 - share - 1e-9);
      }),
    );
  });
});
