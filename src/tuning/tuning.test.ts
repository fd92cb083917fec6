import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromRows, logSumExp, type Matrix, matrix, row } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import { plainSupport } from '../methods/task.ts';
import { fitWeights, largestRatio } from './scale.ts';

const features = (n: number) => matrix(n, 1, new Float32Array(n).fill(1));

describe('leave-one-shot-out', () => {
  it("takes each class's j-th example out together", () => {
    const { query, count } = leaveOneShotOut(plainSupport(features(6), [0, 0, 1, 1, 1, 2]));
    expect([...query]).toEqual([0, 1, 0, 1, 2, -1]);
    expect(count).toBe(3);
  });

  it('never splits a group and keeps a class with one group as keys', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 5 })), { minLength: 1 }),
        (rows) => {
          const labels = rows.map(([label]) => label);
          const groups = rows.map(([, group]) => group);
          const { query, hidden } = leaveOneShotOut(plainSupport(features(rows.length), labels, groups));
          for (let i = 0; i < rows.length; i++) {
            const own = new Set(groups.filter((_, k) => labels[k] === labels[i]));
            if (own.size < 2) expect(query[i]).toBe(-1);
            else expect(query[i]).toBe(hidden[i]);
            const classes = rows.filter((_, k) => groups[k] === groups[i]).map(([label]) => label);
            const alone = classes.every((label) =>
              rows.every(([other, group]) => other !== label || group === groups[i]),
            );
            if (alone) expect(hidden[i]).toBe(-1);
            for (let j = 0; j < i; j++) {
              if (groups[i] === groups[j]) expect(hidden[i]).toBe(hidden[j]);
            }
          }
        },
      ),
    );
  });

  it('wraps around at the given number of folds', () => {
    const { query, count } = leaveOneShotOut(plainSupport(features(4), [0, 0, 0, 0]), 2);
    expect([[...query], count]).toEqual([[0, 1, 0, 1], 2]);
  });
});

describe('weights of text and cache', () => {
  const r = random('weights');
  const labels = Int32Array.from({ length: 60 }, (_, i) => i % 4);
  const noisy = (signal: number, seed: number) => {
    const own = random('noisy', seed);
    return fromRows(
      Array.from(labels, (label) =>
        Array.from({ length: 4 }, (_, c) => own.normal() + (c === label ? signal : 0)),
      ),
    );
  };
  const nll = (a: number, b: number, z: Matrix, s: Matrix, own = labels) => {
    const smoothing = 1 / (own.length + 1);
    let total = 0;
    own.forEach((label, i) => {
      const scores = Array.from(row(z, i), (x, c) => a * x + b * row(s, i)[c]!);
      const lse = logSumExp(scores);
      const mean = scores.reduce((x, y) => x + y, 0) / scores.length;
      total += lse - (1 - smoothing) * scores[label]! - smoothing * mean;
    });
    return total / own.length;
  };

  it('minimise the negative log-likelihood: no nearby point is better', () => {
    const z = noisy(1, 1);
    const s = noisy(0.7, 2);
    const best = fitWeights(z, s, labels);
    expect(best.nll).toBeCloseTo(nll(best.a, best.b, z, s), 6);
    for (let k = 0; k < 20; k++) {
      const [da, db] = [0.1 * r.normal(), 0.1 * r.normal()];
      expect(nll(best.a + da, best.b + db, z, s)).toBeGreaterThanOrEqual(best.nll - 1e-9);
    }
  });

  it('make the slopes zero, in double precision, for any number of rows and classes', () => {
    const shapes = fc.tuple(fc.nat(1000), fc.integer({ min: 20, max: 90 }), fc.integer({ min: 2, max: 30 }));
    const check = ([seed, n, c]: [number, number, number]) => {
      const own = random('slopes', seed);
      const truth = Int32Array.from({ length: n }, () => own.integer(c));
      const scores = (signal: number, spread: number) =>
        matrix(
          n,
          c,
          Float32Array.from(
            { length: n * c },
            (_, k) => spread * (own.normal() + (k % c === truth[Math.floor(k / c)] ? signal : 0)),
          ),
        );
      const [z, s] = [scores(1, 8), scores(1, 0.3)];
      const best = fitWeights(z, s, truth);
      expect(best.nll).toBeCloseTo(nll(best.a, best.b, z, s, truth), 6);
      if (best.b < 1e-3 || best.a < 1e-3) return;
      const slope = (da: number, db: number) =>
        (nll(best.a + da, best.b + db, z, s, truth) - nll(best.a - da, best.b - db, z, s, truth)) / 2e-4;
      expect(Math.abs(slope(1e-4, 0))).toBeLessThan(1e-3);
      expect(Math.abs(slope(0, 1e-4))).toBeLessThan(1e-3);
    };
    fc.assert(fc.property(shapes, check), { numRuns: 30 });
    // More rows than the kernel's memory has space for at a time.
    check([1, 410, 203]);
  });

  it('leave out a misleading cache, and misleading text as far as the limit allows', () => {
    const good = noisy(2, 3);
    const misleading = noisy(-1, 4);
    expect(fitWeights(good, misleading, labels).b).toBeLessThan(1e-6);
    const { a, b } = fitWeights(misleading, good, labels, { maxRatio: 50 });
    expect(b / a).toBeCloseTo(50, 6);
  });

  it('stop where text counts a thousandth of the cache, in any units', () => {
    const [good, misleading] = [noisy(2, 3), noisy(-1, 4)];
    const alphaFor = (unit: number) => {
      const z = { ...misleading, data: misleading.data.map((x) => x * unit) };
      const { a, b } = fitWeights(z, good, labels, { maxRatio: largestRatio(z, good) });
      return b / a / unit;
    };
    expect(alphaFor(1)).toBeGreaterThan(300);
    for (const unit of [1e-2, 100]) expect(alphaFor(unit) / alphaFor(1)).toBeCloseTo(1, 4);
    expect(largestRatio({ ...good, data: good.data.map(() => 3) }, good)).toBe(1000);
  });

  it('keep scores apart that are no better than chance, so that not all answers are the first class', () => {
    // The class of each row has its lowest score; the highest is that of the class before.
    const labels = Int32Array.from({ length: 12 }, (_, i) => i % 3);
    const wrong = matrix(
      12,
      3,
      Float32Array.from({ length: 36 }, (_, k) => -50 * ((Math.floor(k / 3) + 2 - (k % 3)) % 3)),
    );
    for (const { a, b, nll } of [fitWeights(undefined, wrong, labels), fitWeights(wrong, wrong, labels)]) {
      expect(100 * (a + b)).toBeCloseTo(0.01, 6);
      expect(nll).toBeCloseTo(Math.log(3), 2);
      expect(nll).toBeGreaterThan(Math.log(3));
    }
    const none = matrix(12, 3, new Float32Array(36));
    expect(fitWeights(undefined, none, labels).nll).toBeCloseTo(Math.log(3), 6);
  });

  it('are the same from any start', () => {
    const z = noisy(1, 1);
    const s = noisy(0.7, 2);
    const far = fitWeights(z, s, labels, { start: { a: 5, b: 3 } });
    expect(far.nll).toBeCloseTo(fitWeights(z, s, labels).nll, 7);
  });

  it('are found for scores of any confidence', () => {
    const times = (m: Matrix, factor: number) =>
      matrix(
        m.rows,
        m.cols,
        m.data.map((x) => factor * x),
      );
    for (const [z, s] of [
      [noisy(1, 1), noisy(0.7, 2)],
      [noisy(50, 5), noisy(50, 6)],
    ] as const) {
      const [alone, both] = [fitWeights(undefined, s, labels), fitWeights(z, s, labels)];
      for (const factor of [1e-4, 30, 1e3, 1e5]) {
        const sure = fitWeights(undefined, times(s, factor), labels);
        expect(sure.nll).toBeCloseTo(alone.nll, 4);
        expect((sure.b * factor) / alone.b).toBeCloseTo(1, 1);
        expect(fitWeights(times(z, factor), times(s, factor), labels).nll).toBeCloseTo(both.nll, 4);
      }
    }
  });

  it('give a finite scale even if every row is correct', () => {
    const { b } = fitWeights(undefined, noisy(50, 5), labels);
    expect(b).toBeGreaterThan(0);
    expect(Number.isFinite(b)).toBe(true);
  });

  it('refuse scores that are not finite, and name their row and class', () => {
    for (const score of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const broken = noisy(1, 1);
      broken.data[4 * 7 + 2] = score;
      const refused = expect.objectContaining({
        code: 'tuning/not-a-number',
        details: { row: 7, class: 2, score },
      });
      expect(() => fitWeights(undefined, broken, labels)).toThrow(refused);
      expect(() => fitWeights(broken, noisy(1, 2), labels)).toThrow(refused);
      expect(() => fitWeights(noisy(1, 2), broken, labels)).toThrow(refused);
    }
  });
});
