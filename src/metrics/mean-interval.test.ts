import { describe, expect, it } from 'vitest';
import { meanInterval } from './mean-interval.ts';

/** n values with mean 0 and sample deviation 1. */
function standard(n: number): number[] {
  const values = Array.from({ length: n }, (_, i) => i - (n - 1) / 2);
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / (n - 1));
  return values.map((value) => value / deviation);
}

describe('mean over seeds', () => {
  // t(0.975, df) of any table.
  it.each([
    [2, 12.706205],
    [3, 4.302653],
    [4, 3.182446],
    [5, 2.776445],
    [10, 2.262157],
    [11, 2.228139],
    [31, 2.042272],
    [1001, 1.962339],
  ])('of %i values reaches by t', (n, t) => {
    const { mean, deviation, interval } = meanInterval(standard(n));
    expect(mean).toBeCloseTo(0, 12);
    expect(deviation).toBeCloseTo(1, 12);
    expect(interval[1] * Math.sqrt(n)).toBeCloseTo(t, 5);
    expect(interval[0]).toBeCloseTo(-interval[1], 12);
  });

  it('is infinite for a single value, and has no width if all values agree', () => {
    expect(meanInterval([0.7])).toMatchObject({
      mean: 0.7,
      interval: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    });
    expect(meanInterval([0.5, 0.5, 0.5])).toEqual({ mean: 0.5, deviation: 0, interval: [0.5, 0.5] });
  });
});
