import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { dot, matrix, row, selectRows, unitRows } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { expectClose, goldenMatrix, goldenTensors, smallQueries, smallTask } from './golden.fixture.ts';
import { proker } from './proker.ts';
import { scoreRows } from './score.ts';
import { keysOf, selectExamples } from './task.ts';

const golden = goldenTensors('tip_adapter/small');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

describe('ProKeR', () => {
  it.each([
    [1.66, 0.07, undefined],
    [3, 0.05, engine],
  ])('agrees with PyTorch at beta %d, lambda %d', async (beta, lambda, runtime) => {
    const task = { ...smallTask, engine: runtime };
    const state = await proker.fit(task, { beta, lambda, landmarks: undefined });
    const coefficients = matrix(48, 6, (state.coefficients as Tensor).data as Float32Array);
    expectClose(coefficients, goldenMatrix(golden, `proker_b${beta}_l${lambda}.A`));
    const scores = scoreRows(proker, state, task, smallQueries);
    const expected = goldenMatrix(golden, `proker_b${beta}_l${lambda}.logits`);
    expectClose(
      matrix(
        scores.rows,
        6,
        scores.data.map((x) => x / 100),
      ),
      expected,
    );
  });

  it('uses the published constants for the number of shots', async () => {
    const published = await proker.fit(smallTask, {
      beta: undefined,
      lambda: undefined,
      landmarks: undefined,
    });
    expect(published).toEqual(
      await proker.fit(smallTask, { beta: 1.66, lambda: 0.07, landmarks: undefined }),
    );
  });

  describe('takes its constants from the examples where none can be left out', () => {
    const first = [0, 1, 2, 3, 4, 5].map((label) => smallTask.support.labels.indexOf(label));
    const task = { ...smallTask, support: selectExamples(smallTask.support, first) };
    const constants = (own: typeof task) => proker.byExamples!({ ...own, engine }) as Promise<Constants>;

    it('beta is 1 / the median distance of examples of different classes', async () => {
      const rows = unitRows(task.support.features);
      const distances = first.flatMap((_, i) =>
        first.flatMap((__, j) => (i === j ? [] : [1 - dot(row(rows, i), row(rows, j))])),
      );
      const { beta } = await constants(task);
      expect(beta).toBeCloseTo(1 / distances.toSorted((x, y) => y - x)[15]!, 4);
    });

    it('lambda is larger if the names say less, whatever the unit of the logits', async () => {
      const { weights } = task.head;
      const named = { ...task, head: { ...task.head, weights: keysOf(task.support) } };
      const useless = { ...task, head: { ...task.head, weights: selectRows(weights, [0, 0, 0, 0, 0, 0]) } };
      expect((await constants(named)).lambda).toBeLessThan(0.2);
      expect((await constants(useless)).lambda).toBeCloseTo(8 / task.head.logitScale, 2);
      expect((await constants({ ...useless, head: { ...useless.head, logitScale: 10 } })).lambda).toBeCloseTo(
        0.8,
        2,
      );
    });

    it('is left to the paper if all examples are of one class', async () => {
      expect(await constants({ ...task, support: selectExamples(task.support, [0]) })).toEqual({});
    });
  });
});

interface Constants {
  readonly beta: number;
  readonly lambda: number;
}
