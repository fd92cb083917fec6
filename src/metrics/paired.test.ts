import { describe, expect, it } from 'vitest';
import { random } from '../math/random.ts';
import { mcnemar, pairedBootstrap } from './paired.ts';

/** Two rows of answers with the given numbers of disagreements each way and 7 agreements. */
function disagreeing(onlyFirst: number, onlySecond: number): [boolean[], boolean[]] {
  const repeat = (n: number, value: boolean) => new Array<boolean>(n).fill(value);
  return [
    [...repeat(onlyFirst, true), ...repeat(onlySecond, false), ...repeat(4, true), ...repeat(3, false)],
    [...repeat(onlyFirst, false), ...repeat(onlySecond, true), ...repeat(4, true), ...repeat(3, false)],
  ];
}

describe("McNemar's test", () => {
  it.each([
    [0, 0, 1],
    [1, 0, 1],
    [5, 0, 2 / 32],
    [2, 8, (2 * (1 + 10 + 45)) / 1024],
    [4, 4, 1],
  ])('of %i against %i is exact', (onlyFirst, onlySecond, p) => {
    const result = mcnemar(...disagreeing(onlyFirst, onlySecond));
    expect(result).toMatchObject({ onlyFirst, onlySecond });
    expect(result.p).toBeCloseTo(p, 12);
  });

  it('does not underflow to 0 for 2^-3000', () => {
    // The normal approximation: 2 (1 - Phi(99 / sqrt(3000))), with the continuity correction.
    expect(mcnemar(...disagreeing(1450, 1550)).p).toBeCloseTo(0.0707, 3);
    expect(mcnemar(...disagreeing(1500, 1500)).p).toBe(1);
  });

  it('refuses rows that do not pair', () => {
    for (const [first, second] of [
      [[true], []],
      [[], []],
    ] as const) {
      expect(() => mcnemar(first, second)).toThrow(expect.objectContaining({ code: 'metrics/paired' }));
    }
  });
});

describe('paired bootstrap', () => {
  it('gives the difference, and an interval near mean ± 1.96 standard errors', () => {
    const r = random('paired');
    const first = Array.from({ length: 500 }, () => r.normal());
    const second = first.map((value) => value - 0.1 + 0.5 * r.normal());
    const gaps = first.map((value, i) => value - second[i]!);
    const mean = gaps.reduce((x, y) => x + y, 0) / 500;
    const error = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0)) / 500;
    const { difference, interval } = pairedBootstrap(first, second, { resamples: 4000 });
    expect(difference).toBeCloseTo(mean, 12);
    expect((interval[0] - mean) / error).toBeCloseTo(-1.96, 0);
    expect((interval[1] - mean) / error).toBeCloseTo(1.96, 0);
  });

  it('is the same for the same seed, and has no width if all rows agree', () => {
    const first = [1, 0, 1, 1, 0];
    const second = [0, 0, 1, 0, 1];
    expect(pairedBootstrap(first, second, { seed: 3 })).toEqual(pairedBootstrap(first, second, { seed: 3 }));
    expect(pairedBootstrap(first, first)).toEqual({ difference: 0, interval: [0, 0] });
  });

  it('refuses rows that do not pair', () => {
    expect(() => pairedBootstrap([1], [1, 2])).toThrow(expect.objectContaining({ code: 'metrics/paired' }));
  });
});
