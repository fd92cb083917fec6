import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { solvePositive } from './solve.ts';

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

/** exp(-|i - j| / 3), with a ridge: positive definite. */
const lowerRows = (from: number, to: number): Matrix => {
  const out = matrix(to - from, to);
  for (let i = from; i < to; i++) {
    for (let j = 0; j < to; j++) {
      out.data[(i - from) * to + j] = Math.exp(-Math.abs(i - j) / 3) + (i === j ? 0.1 : 0);
    }
  }
  return out;
};

describe('blocked solve', () => {
  it.each([256, 257, 700])('of %d unknowns agrees with float64', async (n) => {
    const { normal } = random('right side', n);
    const b = matrix(n, 3, Float32Array.from({ length: 3 * n }, normal));
    const blocked = await solvePositive(lowerRows, b, engine);
    const exact = await solvePositive(lowerRows, b);
    const worst = blocked.data.reduce((most, x, i) => Math.max(most, Math.abs(x - exact.data[i]!)), 0);
    expect(worst).toBeLessThan(2e-5);
    expect(row(exact, 0).some((x) => Math.abs(x) > 0.1)).toBe(true);
  });

  it('refuses a matrix that is not positive definite, and stops when the signal fires', async () => {
    const b = matrix(300, 1);
    const negative = (from: number, to: number) => matrix(to - from, to);
    await expect(solvePositive(negative, b, engine)).rejects.toThrow(/not positive definite/);
    await expect(solvePositive(lowerRows, b, engine, AbortSignal.abort())).rejects.toThrow(/Interrupted/);
  });
});
