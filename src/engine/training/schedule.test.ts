import { expect, it } from 'vitest';
import { constantRate, cosineRate, warmedRate } from './schedule.ts';

it('a rate is constant, or rises in equal steps and then falls to 0 along half a cosine', () => {
  expect([0, 7].map(constantRate(0.5))).toEqual([0.5, 0.5]);
  const rates = [0, 1, 2, 4, 6, 8, 10, 11].map(cosineRate(1, 10, 2));
  const expected = [0.5, 1, 1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0.5 - Math.SQRT1_2 / 2, 0, 0];
  rates.forEach((rate, i) => {
    expect(rate).toBeCloseTo(expected[i]!, 12);
  });
});

it('a warmed rate is low for an epoch, then falls along half a cosine once in each epoch, and does not reach 0', () => {
  const rates = Array.from({ length: 8 }, (_, step) => warmedRate(2, 8, 4)(step));
  const at = (epoch: number) => 1 + Math.cos((Math.PI * epoch) / 4);
  expect(rates).toEqual([1e-5, 1e-5, at(0), at(0), at(1), at(1), at(2), at(2)]);
  expect(warmedRate(2, 3, 1)(2)).toBe(2);
});
