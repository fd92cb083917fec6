import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromRows } from '../math/matrix.ts';
import { accuracy, predictedClasses, topKAccuracy, wilsonInterval } from './accuracy.ts';

const scores = fromRows([
  [3, 1, 2],
  [0, 0, 5],
  [1, 1, 0],
  [1, 1, 0],
]);
const labels = Int32Array.of(0, 1, 0, 1);

describe('accuracy', () => {
  it('counts rows whose largest score is the true class; the lowest class wins a tie', () => {
    expect([...predictedClasses(scores)]).toEqual([0, 2, 0, 0]);
    expect(accuracy(scores, labels)).toMatchObject({ correct: 2, total: 4, accuracy: 0.5 });
  });

  it('grows with k and reaches every row', () => {
    expect([1, 2, 3].map((k) => topKAccuracy(scores, labels, k).correct)).toEqual([2, 3, 4]);
  });

  it('never counts a row of NaN as correct', () => {
    expect(topKAccuracy(fromRows([[Number.NaN, Number.NaN]]), [0], 1).correct).toBe(0);
  });

  it.each([
    ['too few', [0, 1]],
    ['too large', [0, 1, 2, 3]],
    ['negative', [0, 1, 2, -1]],
    ['not whole', [0, 1, 2, 0.5]],
  ])('refuses labels: %s', (_, wrong) => {
    expect(() => accuracy(scores, wrong)).toThrow(expect.objectContaining({ code: 'metrics/labels' }));
  });
});

describe("Wilson's interval", () => {
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i in %i agrees with published values', (correct, total, low, high) => {
    const interval = wilsonInterval(correct, total);
    expect(interval[0]).toBeCloseTo(low, 4);
    expect(interval[1]).toBeCloseTo(high, 4);
  });

  it('contains the share, stays inside 0..1 and is symmetric', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, share) => {
          const k = Math.round(share * n);
          const [low, high] = wilsonInterval(k, n);
          expect(low).toBeGreaterThanOrEqual(0);
          expect(high).toBeLessThanOrEqual(1);
          expect(low - 1e-12).toBeLessThanOrEqual(k / n);
          expect(high + 1e-12).toBeGreaterThanOrEqual(k / n);
          expect(wilsonInterval(n - k, n)[0]).toBeCloseTo(1 - high, 12);
        },
      ),
    );
  });

  it('is 0 to 1 without a row', () => {
    expect(wilsonInterval(0, 0)).toEqual([0, 1]);
  });
});
