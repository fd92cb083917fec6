import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { fromRows, type Matrix, matrixOf, productT, unitRows } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { expectClose, goldenNumbers, smallQueries, smallTask } from './golden.fixture.ts';
import { methodById } from './index.ts';
import { kernelRidge, kernelSums, radial } from './kernel-ridge.ts';
import { landmarksOf, measureRank, rankRemark } from './low-rank.ts';
import { samplesOf } from './samples.ts';
import { scoreRows } from './score.ts';
import { plainSupport, type Task } from './task.ts';

const golden = goldenNumbers('low_rank/low_rank');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const { rows, labels } = samplesOf(smallTask.support);
const keys = landmarksOf({ rows, labels }, 6, 2);

/** k(queries, keys) A */
function sums(at: Matrix, coefficients: Matrix, beta: number): Matrix {
  const k = productT(unitRows(smallQueries), at);
  const affinities = { ...k, data: k.data.map((x) => Math.exp(beta * (x - 1))) };
  const columns = fromRows(
    Array.from({ length: 6 }, (_, c) => coefficients.data.filter((_x, i) => i % 6 === c)),
  );
  return productT(affinities, columns);
}

describe('low-rank forms agree with numpy', () => {
  it.each([undefined, engine])('Tip-Adapter', async (runtime) => {
    const coefficients = await kernelSums(rows, labels, 6, keys, radial(5.5), { engine: runtime });
    expectClose(sums(keys, coefficients, 5.5), fromRows(golden['tip_adapter_beta5.5']), 1e-5);
  });

  it.each([undefined, engine])('ProKeR', async (runtime) => {
    const residual = productT(rows, smallTask.head.weights);
    const data = residual.data.map((x, i) => Number(labels[Math.floor(i / 6)] === i % 6) - x);
    const kernel = { kernel: radial(1.66), lambda: 0.07 };
    const coefficients = await kernelRidge(rows, keys, { ...residual, data }, kernel, { engine: runtime });
    expectClose(sums(keys, coefficients, 1.66), fromRows(golden['proker_b1.66_l0.07']), 1e-5);
  });
});

describe.each(['tip-adapter-low-rank', 'proker'])('%s by landmarks', (id) => {
  const method = methodById(id);
  const fit = async (landmarks?: number, task: Task = smallTask) => {
    const options = resolveOptions(method.options, { landmarks });
    const state = await method.fit(task, options);
    const [remark] = method.remarks!(task, options, state);
    return { state, remark, scores: scoreRows(method, state, task, smallQueries) };
  };

  it('is the exact form if every example is a landmark', async () => {
    const exact = methodById(id === 'proker' ? id : 'tip-adapter');
    const state = await exact.fit(smallTask, resolveOptions(exact.options, {}));
    const { scores, state: own } = await fit(8);
    expectClose(scores, scoreRows(exact, state, smallTask, smallQueries), 1e-5);
    expect(own).toMatchObject({ error: 0, agreement: 1, judges: 9 });
  });

  it('keeps the requested number of landmarks and the error measured on left-out examples', async () => {
    const errors: number[] = [];
    for (const landmarks of [1, 3, 6]) {
      const { state, remark } = await fit(landmarks);
      expect(matrixOf(state.coefficients as never).rows).toBe(6 * landmarks);
      expect(state.judges).toBe(9);
      expect(remark).toContain(`${6 * landmarks} landmarks for 48 keys: on 9 left-out examples`);
      errors.push(state.error as number);
    }
    expect(errors).toEqual(errors.toSorted((a, b) => b - a));
    expect(errors[2]).toBeGreaterThan(0);
  });

  it('measures an error that doubles with the weight of the scores', async () => {
    const form = {
      ...{ kernel: radial(3), weight: 2, samplesOf },
      coefficients: (samples: { rows: Matrix; labels: Int32Array }, at: Matrix) =>
        kernelSums(samples.rows, samples.labels, 6, at, radial(3), {}),
    };
    const half = await measureRank(smallTask, 2, form);
    const twice = await measureRank(smallTask, 2, { ...form, weight: 4 });
    expect(twice.error).toBeCloseTo(2 * half.error, 5);
  });

  it('says that no example could be left out if all are of one group', async () => {
    const support = plainSupport(smallTask.support.features, labels, new Int32Array(48));
    const { state, remark } = await fit(2, { ...smallTask, support });
    expect(state.judges).toBe(0);
    expect(remark).toContain('no example could be left out');
  });
});

it('says how many keys were compared if they are not all', () => {
  const error = { error: 0.0123, agreement: 0.75, judges: 8 };
  expect(rankRemark(10, 100, error, 50)).toBe(
    '10 landmarks for 100 keys: on 8 left-out examples and with 50 of the keys, the scores differ from the exact scores by 0.012 (mean of the largest difference of a class), and the best class is the same for 6',
  );
});
