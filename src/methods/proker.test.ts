import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { expectClose, goldenMatrix, goldenTensors, smallQueries, smallTask } from './golden.fixture.ts';
import { proker } from './proker.ts';
import { scoreRows } from './score.ts';

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
});
