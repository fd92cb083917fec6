import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../math/random.ts';
import { cholesky, choleskySolve } from './cholesky.ts';

/** G G^T + I for a random G: symmetric positive definite. */
function positiveDefinite(n: number, seed: number): Float64Array {
  const { normal } = random('cholesky', seed);
  const g = Float64Array.from({ length: n * n }, normal);
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = i === j ? 1 : 0;
    for (let k = 0; k < n; k++) sum += g[i * n + k]! * g[j * n + k]!;
    return sum;
  });
}

function product(a: Float64Array, b: Float64Array, n: number, columns: number): Float64Array {
  return Float64Array.from({ length: n * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[i * n + k]! * b[k * columns + j]!;
    return sum;
  });
}

const largestGap = (a: Float64Array, b: Float64Array) =>
  a.reduce((gap, value, i) => Math.max(gap, Math.abs(value - b[i]!)), 0);

describe('Cholesky', () => {
  it('factors the textbook example', () => {
    const a = Float64Array.of(4, 12, -16, 12, 37, -43, -16, -43, 98);
    expect([...cholesky(a, 3)]).toEqual([2, 0, 0, 6, 1, 0, -8, 5, 3]);
  });

  it('solves for any number of right-hand sides, also more than a panel', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 150 }),
        fc.nat(1000),
        (n, c, seed) => {
          const a = positiveDefinite(n, seed);
          const { normal } = random('right side', seed);
          const b = Float64Array.from({ length: n * c }, normal);
          const x = choleskySolve(cholesky(a, n), n, b, c);
          expect(largestGap(product(a, x, n, c), b)).toBeLessThan(1e-10);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('names the pivot of a matrix that is not positive definite', () => {
    expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrowError(/2 x 2 .*pivot 1 is -3/);
  });
});
