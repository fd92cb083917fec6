import { afterAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { createEngine } from '../engine/node.ts';
import { fromRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { coCoOp, conditionalTraining } from './cocoop.ts';
import { promptsOf } from './coop.ts';
import { expectClose, goldenNumbers, smallQueries, smallTask } from './golden.fixture.ts';
import { letterTower } from './letter-tower.fixture.ts';
import { checkNeeds } from './needs.ts';
import { createScorer, scoreRows } from './score.ts';
import { train } from './train.ts';

const golden = goldenNumbers('cocoop/cocoop');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

function numbers(of: (i: number) => number): () => number {
  let i = 0;
  return () => of(++i);
}

const cosines = (...shape: number[]) => {
  const next = numbers((i) => 0.5 * Math.cos(i));
  return floatTensor(shape, Float32Array.from({ length: shape.reduce((n, dim) => n * dim, 1) }, next));
};
const layers = { w1: cosines(2, 32), b1: cosines(2), w2: cosines(6, 2), b2: cosines(6) };
const names = ['ant', 'bee', 'cow', 'dog', 'emu', 'fox'];
const task = { ...smallTask, textTower: { tower: letterTower(32, numbers(Math.sin)), names } };

describe.each([
  ['interpreter', interpreterEngine()],
  ['node', engine],
] as const)('CoCoOp on the %s engine', (_, runs) => {
  it('follows numpy, in training and in scores', async () => {
    const losses: number[] = [];
    const onProgress = ({ loss }: { loss?: number }) => void losses.push(loss!);
    const prompts = promptsOf(task, { init: 'ab', position: 'end' });
    const training = conditionalTraining(task, { epochs: 3, rate: 2e-3, batch: 48 }, prompts, layers);
    const { parameters } = await train({ ...task, engine: runs, onProgress }, training);
    losses.forEach((loss, i) => {
      expect(Math.abs(loss - golden.losses[i])).toBeLessThan(1e-4);
    });
    for (const [name, { data }] of Object.entries(parameters)) {
      (data as Float32Array).forEach((x, i) => {
        expect(Math.abs(x - golden[name][i]), `${name} ${i}`).toBeLessThan(1e-5);
      });
    }
    const state = { ...parameters, epochs: 3 };
    expectClose(scoreRows(coCoOp, state, task, smallQueries), fromRows(golden.query_logits), 2e-3);
    const scorer = await createScorer(runs, coCoOp, state, task);
    expectClose(await scorer.scores(smallQueries), fromRows(golden.query_logits), 2e-3);
    await scorer.close();
  });
});

it('needs the text tower for its answers, too', () => {
  expect(() => checkNeeds(coCoOp, smallTask, { fitted: true })).toThrow('text tower');
});
