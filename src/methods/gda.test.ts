import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { concatRows, matrix, productT, row } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { searchMethod, type TuningSet, tuningSetOfFolds } from '../tuning/search-method.ts';
import { gaussianHead, gda } from './gda.ts';
import {
  expectClose,
  goldenMatrix,
  goldenNumbers,
  goldenTensors,
  smallQueries,
  smallTask,
} from './golden.fixture.ts';
import { samplesOf } from './samples.ts';
import { scoreRows } from './score.ts';
import { ANALYTIC, analyticShrinkage, fourthMoment } from './shrinkage.ts';
import { selectExamples } from './task.ts';
import { zeroShot } from './zero-shot.ts';

const golden = goldenTensors('tip_adapter/small');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());
const method = gda;
const published = { alpha: 0.1, shrinkage: 1, synthesis: false };

describe('Gaussian discriminant analysis', () => {
  it.each(['interpreter', 'engine'])('agrees with PyTorch on the %s', async (kind) => {
    const task = { ...smallTask, engine: kind === 'engine' ? engine : undefined };
    const state = await gda.fit(task, published);
    const weights = goldenMatrix(golden, 'gda.weight');
    const largest = Math.max(...weights.data.map(Math.abs));
    expectClose(matrix(6, 32, (state.weights as Tensor).data as Float32Array), weights, 1e-3 * largest);
    expectClose(
      scoreRows(method, state, task, smallQueries),
      goldenMatrix(golden, 'gda.fused_logits_alpha0.1'),
      1e-3,
    );
  });

  it('is zero-shot, up to a constant, with one example of each class', async () => {
    const first = [0, 1, 2, 3, 4, 5].map((label) => smallTask.support.labels.indexOf(label));
    const task = { ...smallTask, support: selectExamples(smallTask.support, first) };
    const scores = scoreRows(method, await gda.fit(task, published), task, smallQueries);
    const expected = scoreRows(zeroShot, {}, task, smallQueries);
    const shifted = scores.data.map((x) => x + 0.1 * Math.log(6));
    expectClose(matrix(scores.rows, scores.cols, shifted), expected);
  });

  it('fits subsets as it fits them one by one', async () => {
    const subset = [...smallTask.support.labels.keys()].filter((i) => i % 3 > 0);
    const candidates = [published, { ...published, alpha: 1, shrinkage: 3 }];
    const task = { ...smallTask, support: selectExamples(smallTask.support, subset) };
    const alone = [];
    for (const options of candidates) alone.push([await gda.fit(task, options)]);
    const together = [];
    for await (const states of gda.fitSubsets!(smallTask, [subset], candidates)) together.push(states);
    expect(together).toEqual(alone);
  });

  it('gives the same head by the smaller product if there are fewer samples than dimensions', async () => {
    const { rows, labels } = samplesOf(selectExamples(smallTask.support, [...Array(20).keys()]));
    const wide = await gaussianHead({ rows, labels }, 6, 0.3);
    // A sample at the mean of its class adds no scatter and does not change the mean. With some of them, there are more samples than
    // dimensions.
    const means = matrix(6, 32);
    const counts = new Float32Array(6);
    labels.forEach((label, i) => {
      counts[label]!++;
      row(rows, i).forEach((x, j) => {
        row(means, label)[j]! += x;
      });
    });
    means.data.forEach((x, at) => {
      means.data[at] = x / counts[Math.floor(at / 32)]!;
    });
    const padded = [0, 1, 2, 3].map(() => means);
    const tall = {
      rows: concatRows([rows, ...padded]),
      labels: Int32Array.of(...labels, ...padded.flatMap(() => [0, 1, 2, 3, 4, 5])),
    };
    // The ridge is divided by n - 1: 19 against 43.
    const same = await gaussianHead(tall, 6, (0.3 * 43) / 19);
    const asMatrix = ({ shape, data }: Tensor) => matrix(shape[0]!, shape[1]!, data as Float32Array);
    const largest = Math.max(...(same.weights.data as Float32Array).map(Math.abs));
    expectClose(asMatrix(wide.weights), asMatrix(same.weights), largest * 1e-4);
  });

  it('gives a class without examples the mean score of the others', async () => {
    const without = [...smallTask.support.labels.keys()].filter((i) => smallTask.support.labels[i] !== 2);
    const task = { ...smallTask, support: selectExamples(smallTask.support, without) };
    const state = await gda.fit(task, published);
    const scores = scoreRows(method, { ...state, alpha: 1 }, { ...task, head: undefined }, smallQueries);
    for (let m = 0; m < scores.rows; m++) {
      const own = Array.from(scores.data.subarray(m * 6, m * 6 + 6));
      expect(Math.max(...own)).not.toBe(own[2]);
    }
  });

  it('has a covariance in folds with one example of each class, so that alpha is chosen', async () => {
    const seen = new Int32Array(6);
    const { labels } = smallTask.support;
    const pairs = [...labels.keys()].filter((i) => seen[labels[i]!]!++ < 2);
    const task = { ...smallTask, support: selectExamples(smallTask.support, pairs) };
    const { options } = await searchMethod(engine, gda, task, tuningSetOfFolds(task) as TuningSet);
    expect(options.alpha).toBeGreaterThan(1e-3);
  });

  it('estimates classes without examples from the examples nearest to their names, as published', async () => {
    const absent = [2, 4];
    const without = [...smallTask.support.labels.keys()].filter(
      (i) => !absent.includes(smallTask.support.labels[i]!),
    );
    const task = { ...smallTask, support: selectExamples(smallTask.support, without) };
    const { rows } = samplesOf(task.support);
    const names = absent.map((c) => row(smallTask.head.weights, c));
    const d = 32;
    const k = rows.rows; // fewer than 64 samples, so all of them are used
    const means = names.map((name) =>
      Array.from(name, (x, j) => {
        let sum = 16 * x;
        for (let i = 0; i < k; i++) sum += row(rows, i)[j]!;
        return sum / (k + 16);
      }),
    );
    // The average of d pinv((k - 1) C + tr(C) I) over both names, C the covariance around the name with divisor k - 1.
    const precision = Array.from({ length: d }, () => new Float64Array(d));
    for (const name of names) {
      const scatter = Array.from({ length: d }, (_, a) =>
        Float64Array.from({ length: d }, (_column, b) => {
          let sum = 0;
          for (let i = 0; i < k; i++) sum += (row(rows, i)[a]! - name[a]!) * (row(rows, i)[b]! - name[b]!);
          return sum;
        }),
      );
      const trace = scatter.reduce((sum, values, a) => sum + values[a]!, 0) / (k - 1);
      scatter.forEach((values, a) => {
        values[a]! += trace;
      });
      inverse(scatter).forEach((values, a) => {
        values.forEach((x, b) => {
          precision[a]![b]! += (d * x) / names.length;
        });
      });
    }
    const state = await gda.fit(task, { ...published, synthesis: true });
    const plain = await gda.fit(task, published);
    const own = (at: typeof state, c: number) => (at.weights.data as Float32Array).slice(c * d, (c + 1) * d);
    absent.forEach((c, i) => {
      const expected = precision.map((values) => values.reduce((sum, x, b) => sum + x * means[i]![b]!, 0));
      const size = Math.max(...expected.map(Math.abs));
      own(state, c).forEach((x, j) => {
        expect(Math.abs(x - expected[j]!)).toBeLessThan(1e-4 * size);
      });
      const bias = -Math.log(6) - expected.reduce((sum, x, j) => sum + x * means[i]![j]!, 0) / 2;
      expect((state.bias.data as Float32Array)[c]! / bias).toBeCloseTo(1, 4);
    });
    for (const c of [0, 1, 3, 5]) expect(own(state, c)).toEqual(own(plain, c));
    const nameless = gda.fit({ ...task, head: undefined }, { ...published, synthesis: true });
    await expect(nameless).rejects.toMatchObject({ code: 'method/needs' });
  });
});

describe('analytic shrinkage', () => {
  const expected = goldenNumbers('shrinkage/shrinkage');

  it.each([
    { name: 'wide', n: 12, d: 30 },
    { name: 'tall', n: 40, d: 8 },
  ])('agrees with scikit-learn: $name', ({ name, n, d }) => {
    const at = (i: number, j: number) => Math.sin(1 + 7 * i * (j + 1) + 3 * j) / (1 + j);
    const means = Array.from({ length: d }, (_, j) =>
      [...Array(n).keys()].reduce((sum, i) => sum + at(i, j) / n, 0),
    );
    const centred = matrix(
      n,
      d,
      Float32Array.from({ length: n * d }, (_, k) => at(Math.floor(k / d), k % d) - means[k % d]!),
    );
    const { data: square } = productT(centred, centred);
    const scatter = { n, d, samples: n, square, fourth: fourthMoment(centred) };
    for (const rule of ANALYTIC) {
      expect(Math.abs(analyticShrinkage(rule, scatter) - expected[name][rule])).toBeLessThan(1e-6);
    }
  });

  it.each(ANALYTIC)(
    'by %s gives a finite head between those of very weak and very strong shrinkage',
    async (shrinkage) => {
      const samples = samplesOf(smallTask.support);
      const bias = async (value: number | typeof shrinkage) =>
        Array.from((await gaussianHead(samples, 6, value)).bias.data as Float32Array);
      const own = await bias(shrinkage);
      expect(own.every(Number.isFinite)).toBe(true);
      expect(Math.min(...own)).toBeGreaterThan(Math.min(...(await bias(1e-4))));
      expect(Math.min(...own)).toBeLessThan(Math.min(...(await bias(1e4))));
    },
  );
});

/** By Gauss and Jordan; for positive definite matrices. */
function inverse(a: readonly Float64Array[]): Float64Array[] {
  const n = a.length;
  const work = a.map((values, i) => [...values, ...Array.from({ length: n }, (_, j) => Number(i === j))]);
  for (let p = 0; p < n; p++) {
    const pivot = work[p]![p]!;
    work[p] = work[p]!.map((x) => x / pivot);
    for (let i = 0; i < n; i++) {
      const factor = work[i]![p]!;
      if (i !== p) work[i] = work[i]!.map((x, j) => x - factor * work[p]![j]!);
    }
  }
  return work.map((values) => Float64Array.from(values.slice(n)));
}
