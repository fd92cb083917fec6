import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dot, type Matrix, matrix, norm, row } from '../../math/matrix.ts';
import { random } from '../../math/random.ts';
import { keysInMemory } from './memory.ts';

const BETA = 4;

function noise(rows: number, cols: number, seed: number): Matrix {
  const own = random('memory', seed);
  return matrix(
    rows,
    cols,
    Float32Array.from({ length: rows * cols }, () => own.normal()),
  );
}

describe('keys in memory', () => {
  it('vote as in the equation, for any length, width and number of classes', async () => {
    const cases = fc.record({
      keys: fc.integer({ min: 1, max: 20 }),
      cols: fc.integer({ min: 1, max: 11 }),
      classes: fc.integer({ min: 1, max: 5 }),
      seed: fc.nat(1000),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ keys: n, cols, classes, seed }) => {
        const [keys, queries] = [noise(n, cols, seed), noise(3, cols, seed + 1)];
        const labels = Int32Array.from({ length: n }, (_, i) => (i * 7 + seed) % classes);
        const scales = Float32Array.from({ length: n }, (_, i) => 1 / norm(row(keys, i)));
        const cache = keysInMemory(keys, scales, labels, classes);
        const sums = await cache.classSums(queries, BETA);
        for (let q = 0; q < queries.rows; q++) {
          const f = row(queries, q);
          const expected = Array.from(labels, (_, i) =>
            Math.exp(BETA * (dot(row(keys, i), f) / (norm(row(keys, i)) * norm(f)) - 1)),
          );
          const votes = await cache.votes(f, BETA);
          votes.forEach((vote, i) => {
            expect(vote).toBeCloseTo(expected[i]!, 5);
          });
          for (let c = 0; c < classes; c++) {
            const own = expected.filter((_, i) => labels[i] === c).reduce((a, b) => a + b, 0);
            expect(row(sums, q)[c]).toBeCloseTo(own, 4);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
