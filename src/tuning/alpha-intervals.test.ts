import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { alphaIntervals, bestAlpha, countAt } from './alpha-intervals.ts';

/** A random problem: queries, blocks of keys and zero-shot logits. With more blocks than classes, blocks have any order of classes. */
function problem(seed: number, queries: number, classes: number, size: number, blocks = classes) {
  const { normal, uniform, integer } = random('intervals', seed);
  const cosines = Float32Array.from({ length: queries * blocks * size }, () => uniform());
  const z = matrix(
    queries,
    classes,
    Float32Array.from({ length: queries * classes }, () => 2 * normal()),
  );
  const labels = Int32Array.from({ length: queries }, () => integer(classes));
  const owner = Int32Array.from({ length: blocks }, (_, block) =>
    blocks > classes ? integer(classes) : block,
  );
  return { cosines, z, labels, owner };
}

/** Whether the true class wins in float64, and its lead. A near tie may have either result in float32. */
function margin(
  { cosines, z, labels, owner }: ReturnType<typeof problem>,
  size: number,
  query: number,
  alpha: number,
  beta: number,
) {
  const classes = z.cols;
  const score = (c: number) => {
    let sum = 0;
    owner.forEach((own, block) => {
      if (own !== c) return;
      const at = (query * owner.length + block) * size;
      for (let k = 0; k < size; k++) sum += Math.exp(beta * (cosines[at + k]! - 1));
    });
    return z.data[query * classes + c]! + alpha * sum;
  };
  const own = score(labels[query]!);
  let best = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) if (c !== labels[query]) best = Math.max(best, score(c));
  return own - best;
}

describe('alphas for which the true class wins', () => {
  it('are the same as by trying each alpha, at every sharpness', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(5),
        (seed, classes, size, more) => {
          const given = problem(seed, 6, classes, size, classes + more);
          const range = { first: 0.1, step: 0.02, count: 420 };
          const found = alphaIntervals(
            given.z,
            { parts: [given.cosines], blocks: classes + more, size, owner: given.owner },
            given.labels,
            range,
          );
          for (const i of [0, 60, 199, 200, 419]) {
            for (const alpha of [0, 0.01, 0.3, 1, 4, 30]) {
              for (let query = 0; query < 6; query++) {
                const by = margin(given, size, query, alpha, found.betas[i]!);
                if (Math.abs(by) < 1e-3) continue;
                const at = i * 6 + query;
                expect(found.lower[at]! <= alpha && alpha <= found.upper[at]!).toBe(by > 0);
              }
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("give the best alpha, which is at least as good as any grid's", () => {
    const given = problem(7, 300, 10, 4);
    const found = alphaIntervals(
      given.z,
      { parts: [given.cosines], blocks: 10, size: 4, owner: given.owner },
      given.labels,
      { first: 1, step: 1, count: 8 },
    );
    const grid = Array.from({ length: 2000 }, (_, j) => (j * 10) / 2000);
    for (let i = 0; i < 8; i++) {
      const { alpha, correct } = bestAlpha(found, i, 10);
      expect(countAt(found, i, [alpha])).toEqual([correct]);
      expect(correct).toBeGreaterThanOrEqual(Math.max(...countAt(found, i, grid)));
    }
  });

  it('include alpha = 0, where a tie goes to the lower class', () => {
    const z = matrix(2, 2, Float32Array.of(1, 1, 1, 1));
    const parts = [Float32Array.of(0.9, 0.1, 0.1, 0.9)];
    const owner = Int32Array.of(0, 1);
    const found = alphaIntervals(z, { parts, blocks: 2, size: 1, owner }, [0, 1], {
      first: 1,
      step: 1,
      count: 1,
    });
    expect(countAt(found, 0, [0, 1])).toEqual([1, 2]);
  });

  it('count no vote of a hidden or missing key', () => {
    const z = matrix(1, 2, Float32Array.of(0, 1));
    const parts = [Float32Array.of(-1e4, -1e4, 0.5, -1e4)];
    const found = alphaIntervals(z, { parts, blocks: 2, size: 2, owner: Int32Array.of(0, 1) }, [0], {
      first: 0.5,
      step: 0.5,
      count: 3,
    });
    expect(bestAlpha(found, 2, 50)).toEqual({ alpha: 0, correct: 0 });
  });

  it('use votes as accurate as exp, so that a difference of a millionth between two classes counts', () => {
    for (const beta of [0.5, 5.5, 40]) {
      for (const cosine of [-1, -0.3, 0, 0.5, 0.99, 1]) {
        // Only the true class has the vote. The other has a logit just below or above it.
        const vote = Math.exp(beta * (cosine - 1));
        for (const [factor, right] of [
          [1 - 2e-6, 1],
          [1 + 2e-6, 0],
        ] as const) {
          const z = matrix(1, 2, Float32Array.of(0, vote * factor));
          const parts = [Float32Array.of(cosine, -1e4)];
          const owner = Int32Array.of(0, 1);
          const range = { first: beta, step: 1, count: 1 };
          const found = alphaIntervals(z, { parts, blocks: 2, size: 1, owner }, [0], range);
          expect(countAt(found, 0, [1]), `${beta} ${cosine} ${factor}`).toEqual([right]);
        }
      }
    }
  });

  it('drift by less than a hundred-thousandth over all sharpnesses', () => {
    const range = { first: 0.1, step: 0.035, count: 1000 };
    for (const cosine of [-0.3, 0, 0.31, 0.5, 0.77, 0.99, 1]) {
      // Only the true class has the vote, and its logit is lower by one: it wins from 1 / vote on.
      const z = matrix(1, 2, Float32Array.of(-1, 0));
      const parts = [Float32Array.of(cosine, -1e4)];
      const given = { parts, blocks: 2, size: 1, owner: Int32Array.of(0, 1) };
      const { betas, lower } = alphaIntervals(z, given, [0], range);
      const drift = betas.map((beta, i) =>
        Math.abs(lower[i]! * Math.exp(beta * (Math.fround(cosine) - 1)) - 1),
      );
      expect(Math.max(...drift), `cosine ${cosine}`).toBeLessThan(1e-5);
    }
  });
});
