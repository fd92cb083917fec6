import { expect, it } from 'vitest';
import { constantRate, cosineRate } from './schedule.ts';

it('a rate stays, or rises in equal steps and then falls to 0 along half a cosine', () => {
  expect([0, 7].map(constantRate(0.5))).toEqual([0.5, 0.5]);
  const rates = [0, 1, 2, 4, 6, 8, 10, 11].map(cosineRate(1, 10, 2));
  const expected = [0.5, 1, 1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0.5 - Math.SQRT1_2 / 2, 0, 0];
  rates.forEach((rate, i) => {
    expect(rate).toBeCloseTo(expected[i]!, 12);
  });
});
