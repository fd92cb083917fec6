import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../src/engine/node.ts';
import { type Matrix, matrix, row, selectRows } from '../src/math/matrix.ts';
import { leaveOneShotOut } from '../src/methods/folds.ts';
import type { State, Task } from '../src/methods/index.ts';
import {
  prepareClassSums,
  textLogits,
  tuningRowsOfFolds,
  tuningRowsOfSplit,
} from '../src/tuning/cache-search.ts';
import { paperGrid, paperSearch } from '../src/tuning/paper.ts';
import { tuneByFolds } from '../src/tuning/tune.ts';
import { countCorrect, golden, headOf, load, type Rows, taskOf, there } from './real.fixture.ts';

interface Count {
  correct: number;
  total: number;
  flippable_1e4: number;
}

const engine = createEngine();
afterAll(() => engine.close());

const correct = (id: string, state: State, task: Task, test: Rows) =>
  countCorrect(engine, id, state, task, test);

function expectCount(got: number, { correct: expected, flippable_1e4 }: Count): void {
  expect(Math.abs(got - expected)).toBeLessThanOrEqual(flippable_1e4 + 1);
}

describe.skipIf(!there)('real CLIP features (needs ../shared/data/clip_vitb32)', () => {
  const SHOTS = [1, 2, 4, 8, 16];

  describe('Stanford Cars', () => {
    const reference = golden.stanford_cars?.renormalised;
    const head = there ? headOf('stanford_cars') : undefined;
    const test = there
      ? load('stanford_cars', 'val')
      : { features: matrix(0, 512), labels: new Int32Array(0) };

    it('zero-shot', async () => {
      expectCount(
        await correct('zero-shot', {}, taskOf('stanford_cars', 1, 196, engine, head), test),
        reference.zero_shot,
      );
    });

    it.each(SHOTS)('%d shots: Tip-Adapter, visual-only cache, nearest class mean', async (shots) => {
      const task = taskOf('stanford_cars', shots, 196, engine, head);
      const expected = reference[`K${shots}`];
      expectCount(
        await correct('tip-adapter', { alpha: 1, beta: 5.5 }, task, test),
        expected['tip_alpha1_beta5.5'],
      );
      expectCount(
        await correct('visual-only', { beta: 5.5 }, task, test),
        expected['visual_only_cache_beta5.5'],
      );
      expectCount(await correct('prototype', { scale: 100 }, task, test), expected.prototype);
    });

    it("the published search on the evaluated rows finds PyTorch's grid point", async () => {
      const task = taskOf('stanford_cars', 2, 196, engine, head);
      const tuningRows = tuningRowsOfSplit(task.support, test.features, test.labels);
      const zeroShot = (await textLogits(engine, task, tuningRows)) as Matrix;
      const sums = await prepareClassSums(engine, task, tuningRows);
      const best = paperSearch(zeroShot, sums.affinities, test.labels, paperGrid('cars'));
      await sums.close();
      const expected = reference.K2.tip_grid_tuned_on_the_evaluated_split;
      expectCount(best.correct, expected);
      expect(best.beta).toBeCloseTo(expected.beta, 3);
      expect(best.alpha).toBeCloseTo(expected.alpha, 3);
    });

    // Accuracy of leave-one-shot-out in percent when it was designed, minus a tolerance of half a point.
    it.each([
      [2, 63.0],
      [4, 64.5],
      [8, 67.8],
      [16, 69.5],
    ])('%d shots, tuned on the examples: at least about %d%%', async (shots, percent) => {
      const task = taskOf('stanford_cars', shots, 196, engine, head);
      const choice = await tuneByFolds(engine, task, { minBeta: 0.5, maxBeta: 60 });
      const got = await correct('tip-adapter', { alpha: choice!.alpha, beta: choice!.beta }, task, test);
      expect((100 * got) / test.labels.length).toBeGreaterThan(percent - 0.5);
    });

    it('scores the queries of a fold without its examples', async () => {
      const task = taskOf('stanford_cars', 2, 196, engine, head);
      const tuningRows = tuningRowsOfFolds(task.support, leaveOneShotOut(task.support));
      const sums = await prepareClassSums(engine, task, tuningRows);
      const at = await sums.at(5.5);
      await sums.close();
      const { keyFold, queries, labels } = tuningRows;
      const unhidden = [...keyFold.keys()].filter((i) => keyFold[i] !== tuningRows.fold[7]);
      const direct = unhidden
        .filter((i) => task.support.labels[i] === labels[7])
        .map((i) => {
          const key = row(task.support.features, i);
          const length = Math.hypot(...key);
          const cosine = row(queries, 7).reduce((total, x, j) => total + x * (key[j]! / length), 0);
          return Math.exp(-5.5 * (1 - cosine));
        });
      expect(row(at, 7)[labels[7]!]).toBeCloseTo(
        direct.reduce((a, b) => a + b, 0),
        4,
      );
    });
  });

  describe('Caltech-101', () => {
    const test = there ? load('caltech101', 'test') : { features: matrix(0, 512), labels: new Int32Array(0) };

    it.each(SHOTS)('%d shots: visual-only cache, nearest class mean', async (shots) => {
      const task = taskOf('caltech101', shots, 100, engine);
      const expected = golden.caltech101.renormalised[`K${shots}`];
      expectCount(
        await correct('visual-only', { beta: 5.5 }, task, test),
        expected['visual_only_cache_beta5.5'],
      );
      expectCount(await correct('prototype', { scale: 100 }, task, test), expected.prototype);
    });
  });

  describe('ImageNet', () => {
    it.each([1, 2])('%d shots: zero-shot, Tip-Adapter, visual-only cache', async (shots) => {
      const task = taskOf('imagenet', shots, 1000, engine, headOf('imagenet'));
      const expected = golden.imagenet.renormalised[`K${shots}`];
      const all = load('imagenet', 'support_4shot');
      const excluded = new Set<number>(expected.excluded_rows_of_support_4shot);
      const kept = [...all.labels.keys()].filter((i) => !excluded.has(i));
      const test = {
        features: selectRows(all.features, kept),
        labels: Int32Array.from(kept, (i) => all.labels[i]!),
      };
      expect(test.labels.length).toBe(expected.evaluated_rows);
      expectCount(await correct('zero-shot', {}, task, test), expected.zero_shot);
      expectCount(
        await correct('tip-adapter', { alpha: 1, beta: 5.5 }, task, test),
        expected['tip_alpha1_beta5.5'],
      );
      expectCount(
        await correct('visual-only', { beta: 5.5 }, task, test),
        expected['visual_only_cache_beta5.5'],
      );
    });
  });
});
