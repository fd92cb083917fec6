import { afterAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { createEngine } from '../engine/node.ts';
import { fromRows, matrixOf } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { coOp } from './coop.ts';
import { expectClose, goldenNumbers, smallQueries, smallTask } from './golden.fixture.ts';
import { kgCoOp } from './kgcoop.ts';
import { letterTower } from './letter-tower.fixture.ts';
import { scoreRows } from './score.ts';

const golden = goldenNumbers('kgcoop/kgcoop');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

function waves(): () => number {
  let i = 0;
  return () => Math.sin(++i);
}

const names = ['ant', 'bee', 'cow', 'dog', 'emu', 'fox'];
const task = { ...smallTask, textTower: { tower: letterTower(32, waves()), names } };
const how = { init: 'ab', epochs: 3, rate: 0.05 };

describe.each([
  ['interpreter', interpreterEngine()],
  ['node', engine],
] as const)('KgCoOp on the %s engine', (_, runs) => {
  it('follows numpy', async () => {
    const losses: number[] = [];
    const onProgress = ({ loss }: { loss?: number }) => void losses.push(loss!);
    const state = await kgCoOp.fit(
      { ...task, engine: runs, onProgress },
      resolveOptions(kgCoOp.options, how),
    );
    losses.forEach((loss, i) => {
      expect(Math.abs(loss - golden.losses[i])).toBeLessThan(1e-4);
    });
    expectClose(matrixOf(state.context), fromRows(golden.context), 1e-5);
    expectClose(scoreRows(kgCoOp, state, task, smallQueries), fromRows(golden.query_logits), 2e-3);
  });
});

it('equals CoOp with a weight of 0', async () => {
  const [a, b] = [
    await kgCoOp.fit(task, resolveOptions(kgCoOp.options, { ...how, weight: 0 })),
    await coOp.fit(task, resolveOptions(coOp.options, { ...how, batch: 128 })),
  ];
  expectClose(matrixOf(a.context), matrixOf(b.context), 1e-6);
});
