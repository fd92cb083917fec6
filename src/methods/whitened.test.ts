import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { matrix, row, selectRows } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { goldenMatrix, goldenTensors, smallQueries, smallTask } from './golden.fixture.ts';
import { scoreRows } from './score.ts';
import { plainSupport, type Support, selectExamples, type Task } from './task.ts';
import { whitened } from './whitened.ts';
import { examplesOf } from './whitened-examples.ts';
import { leftOutCosines } from './whitened-left-out.ts';
import { directions, rowProducts, whiten, whiteningOf } from './whitening.ts';

const golden = goldenTensors('whitened/whitened');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

/** A problem of the fixture: examples numbered class by class within a shot. */
function problem(name: string, shots: number, withText: boolean): Task {
  const features = goldenMatrix(golden, `${name}.support`);
  const weights = goldenMatrix(golden, `${name}.text`);
  const classes = weights.rows;
  const labels = Int32Array.from({ length: classes * shots }, (_, i) => i % classes);
  const promptClass = Int32Array.from({ length: classes }, (_, c) => c);
  return {
    classes,
    dimension: features.cols,
    support: plainSupport(features, labels),
    head: withText ? { weights, promptFeatures: weights, promptClass, logitScale: 10 } : undefined,
    seed: 1,
  };
}

const BRANCHES = ['wide', 'tall'].flatMap((size) =>
  [1, 2].flatMap((shots) => [false, true].map((withText) => ({ size, shots, withText }))),
);

const OPTIONS = resolveOptions(whitened.options, {});
const scoresOf = async (task: Task, queries = smallQueries) => {
  const state = await whitened.fit(task, OPTIONS);
  // A classifier file that has other sizes than these is refused.
  expect(state.whitening.shape).toEqual(whitened.holds(task, OPTIONS).whitening?.shape);
  return scoreRows(whitened, state, task, queries);
};

const expectNear = (got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5) => {
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < got.length; i++) {
    expect(Math.abs(got[i]! - expected[i]!)).toBeLessThan(tolerance * (1 + Math.abs(expected[i]!)));
  }
};

describe('whitened centred cosine', () => {
  it.each(BRANCHES)(
    'agrees with numpy: $size, $shots shots, names: $withText',
    async ({ size, shots, withText }) => {
      const name = `${size}.${shots}`;
      const task = problem(name, shots, withText);
      const queries = goldenMatrix(golden, `${name}.queries`);
      const expected = goldenMatrix(golden, `${name}.scores${withText ? '_with_text' : ''}`).data;
      expectNear((await scoresOf(task, queries)).data, expected);
      expectNear((await scoresOf({ ...task, engine }, queries)).data, expected, 1e-4);
    },
  );

  it('counts examples of one group as one', async () => {
    const { features, labels } = smallTask.support;
    const rows = [...labels.keys(), 0, 1, 1];
    const repeated: Support = {
      ...plainSupport(
        matrix(rows.length, 32, Float32Array.from(rows.flatMap((i) => [...row(features, i)]))),
        rows.map((i) => labels[i]!),
        rows,
      ),
    };
    const once = await scoresOf(smallTask);
    expectNear((await scoresOf({ ...smallTask, support: repeated })).data, once.data);
  });

  it('gives a class without examples a neutral score, or that of its name if there are names', async () => {
    const kept = [...smallTask.support.labels.keys()].filter((i) => smallTask.support.labels[i] !== 2);
    const task = { ...smallTask, support: selectExamples(smallTask.support, kept) };
    const without = await scoresOf({ ...task, head: undefined });
    const withNames = await scoresOf(task);
    for (let i = 0; i < without.rows; i++) {
      expect(row(without, i)[2]).toBe(0);
      expect(row(without, i)[1]).not.toBe(0);
      expect(row(withNames, i)[2]).not.toBe(0);
    }
  });

  it('gives the score 0 from a single example', async () => {
    const task = { ...smallTask, support: selectExamples(smallTask.support, [0]), head: undefined };
    expect((await scoresOf(task)).data.every((score) => score === 0)).toBe(true);
  });

  it('takes its scale at one shot from examples of other classes, each left out', async () => {
    const firsts = [0, 1, 2, 3, 4, 5]
      .map((label) => smallTask.support.labels.indexOf(label))
      .sort((x, y) => x - y);
    const task = { ...smallTask, support: selectExamples(smallTask.support, firsts), head: undefined };
    let [squares, count] = [0, 0];
    for (const out of firsts.keys()) {
      const rest = selectExamples(
        task.support,
        [...firsts.keys()].filter((i) => i !== out),
      );
      const queries = selectRows(task.support.features, [out]);
      const state = await whitened.fit({ ...task, support: rest }, { names: 1, scale: 1, ridge: 10 });
      for (const cosine of scoreRows(whitened, state, task, queries).data) {
        if (cosine === 0) continue;
        squares += cosine ** 2;
        count++;
      }
    }
    const spread = Math.sqrt(squares / count);
    const { scale } = await whitened.fit(task, { names: 1, scale: 'spread', ridge: 10 });
    expect(Number(scale) / (15 * (0.08 / spread) ** 0.75)).toBeCloseTo(1, 1);
  });

  it('counts the examples that its own scale is chosen on', () => {
    const some = (examples: number[]) => ({
      ...smallTask,
      support: selectExamples(smallTask.support, examples),
    });
    const firsts = [0, 1, 2, 3, 4, 5].map((label) => smallTask.support.labels.indexOf(label));
    expect(whitened.calibrates?.(smallTask, OPTIONS)).toEqual({ judges: 48, folds: 4 });
    expect(whitened.calibrates?.(some(firsts), OPTIONS)).toEqual({ judges: 0, folds: 0 });
    expect(whitened.calibrates?.(smallTask, { ...OPTIONS, scale: 3 })).toBeUndefined();
  });
});

describe('whitening', () => {
  it('is the same computed in the span of few rows and in all dimensions', async () => {
    const { features } = smallTask.support;
    const few = matrix(20, 32, features.data.slice(0, 20 * 32));
    const padded = matrix(40, 32);
    padded.data.set(few.data);
    await withProducts(undefined, async (products) => {
      const [wide, tall] = [await whiteningOf(few, 2, products), await whiteningOf(padded, 2, products)];
      expect([wide.v.rows, tall.v.rows]).toEqual([20, 32]);
      expect(wide.level).toBeCloseTo(tall.level, 6);
      expectNear(
        (await whiten(smallQueries, wide, products)).data,
        (await whiten(smallQueries, tall, products)).data,
      );
    });
  });

  it('leaves an example out of means and covariance as a fit without it does', async () => {
    const { labels } = smallTask.support;
    // 8, 8, 5, 3, 2 and 1 examples.
    const most = [8, 8, 5, 3, 2, 1];
    const seen = new Int32Array(6);
    const kept = [...labels.keys()].filter((i) => seen[labels[i]!]!++ < most[labels[i]!]!);
    const task = { ...smallTask, support: selectExamples(smallTask.support, kept) };
    const examples = examplesOf(task);
    await withProducts(undefined, async (products) => {
      const spread = (residuals: Float32Array) =>
        matrix(
          residuals.length / 32,
          32,
          residuals.map((x) => x / Math.sqrt(kept.length - 6)),
        );
      const whitening = await whiteningOf(spread(examples.residuals.data), 1, products);
      const leftOut = await leftOutCosines(examples, whitening, undefined, products);
      expect(leftOut.examples.length).toBe(kept.length - 1);
      for (const q of [0, 7, 12, 20]) {
        const out = leftOut.examples[q]!;
        const others = [...kept.keys()].filter((i) => i !== out);
        const { residuals } = examplesOf({ ...task, support: selectExamples(task.support, others) });
        const rest = spread(residuals.data);
        const variance = rest.data.reduce((sum, x) => sum + x * x, 0) / 32;
        const own = await whiteningOf(rest, whitening.level / variance, products);
        const shot = [...kept.keys()].filter((i) => examples.folds.hidden[i] !== examples.folds.query[out]);
        const fold = examplesOf({ ...task, support: selectExamples(task.support, shot) });
        const means = matrix(
          6,
          32,
          fold.means.data.map((x, at) => x + fold.centre[at % 32]! - examples.centre[at % 32]!),
        );
        const query = matrix(1, 32, row(examples.centred, out).slice());
        const { duals } = await directions(means, own, products);
        const [square] = rowProducts(await whiten(query, own, products), query);
        const cosines = (await products.productT(query, duals)).data.map((x) => x / Math.sqrt(square!));
        expectNear(cosines, leftOut.means.slice(q * 6, q * 6 + 6), 1e-4);
      }
    });
  });
});
