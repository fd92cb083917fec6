import { afterAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { createEngine } from '../engine/node.ts';
import { fromRows, matrixOf } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { expectClose, goldenNumbers, smallQueries, smallTask } from './golden.fixture.ts';
import { rla } from './rla.ts';
import { scoreRows } from './score.ts';

const golden = goldenNumbers('rla/rla');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

describe.each([
  ['interpreter', interpreterEngine()],
  ['node', engine],
] as const)('the regularised linear adapter on the %s engine', (_, runs) => {
  it('follows numpy, with a lambda of 1 / shots', async () => {
    const losses: number[] = [];
    const task = {
      ...smallTask,
      engine: runs,
      onProgress: ({ loss }: { loss?: number }) => losses.push(loss!),
    };
    const state = await rla.fit(task, resolveOptions(rla.options, { epochs: 5 }));
    losses.forEach((loss, i) => {
      expect(Math.abs(loss - golden.losses[i])).toBeLessThan(1e-5);
    });
    expectClose(matrixOf(state.adapter), fromRows(golden.adapter_after_5), 1e-5);
    expectClose(scoreRows(rla, state, smallTask, smallQueries), fromRows(golden.query_logits_after_5), 2e-3);
  });
});

it('equals zero-shot with a very large lambda', async () => {
  const state = await rla.fit(smallTask, resolveOptions(rla.options, { lambda: 1e6, epochs: 3, rate: 1e-9 }));
  const zeroShot = matrixOf(state.adapter);
  zeroShot.data.forEach((x, at) => {
    expect(x).toBeCloseTo(Number(at % 33 === 0), 6);
  });
});
