import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../src/engine/node.ts';
import { selectRows } from '../src/math/matrix.ts';
import { methodById, type Task } from '../src/methods/index.ts';
import { resolveOptions } from '../src/options.ts';
import { countCorrect, golden, headOf, load, type Rows, taskOf, there } from './real.fixture.ts';

const engine = createEngine();
afterAll(() => engine.close());

async function correct(id: string, given: Record<string, unknown>, task: Task, test: Rows) {
  const method = methodById(id);
  const state = await method.fit(task, resolveOptions(method.options, given));
  return countCorrect(engine, id, state, task, test);
}

function expectCount(got: number, expected: number, flippable = 0): void {
  expect(Math.abs(got - expected), `${got} right, expected ${expected}`).toBeLessThanOrEqual(flippable + 1);
}

describe.skipIf(!there)(
  'real CLIP features, training-free methods (needs ../shared/data/clip_vitb32)',
  () => {
    it.each([1, 2, 4, 8, 16])('Stanford Cars, %d shots: ProKeR, GDA', async (shots) => {
      const task = taskOf('stanford_cars', shots, 196, engine, headOf('stanford_cars'));
      const test = load('stanford_cars', 'val');
      const expected = golden.stanford_cars.renormalised[`K${shots}`];
      const { correct: proker, flippable_1e4 } = expected.proker_default;
      expectCount(await correct('proker', {}, task, test), proker, flippable_1e4);
      for (const [alpha, count] of expected.gda_all_alphas.filter((_: unknown, i: number) => i % 2 === 0)) {
        expectCount(await correct('gda', { alpha }, task, test), count);
      }
    });

    it.each([1, 2])('ImageNet, %d shots: ProKeR, GDA', async (shots) => {
      const expected = golden.imagenet.renormalised[`K${shots}`];
      const excluded = new Set(expected.excluded_rows_of_support_4shot);
      const all = load('imagenet', 'support_4shot');
      const kept = [...all.labels.keys()].filter((i) => !excluded.has(i));
      const test = {
        features: selectRows(all.features, kept),
        labels: Int32Array.from(kept, (i) => all.labels[i]!),
      };
      const task = taskOf('imagenet', shots, 1000, engine, headOf('imagenet'));
      const { correct: proker, flippable_1e4 } = expected.proker_default;
      expectCount(await correct('proker', {}, task, test), proker, flippable_1e4);
      const gda = expected.gda_tuned_on_the_evaluated_split;
      if (gda)
        expectCount(await correct('gda', { alpha: gda.alpha }, task, test), gda.correct, gda.flippable_1e4);
    });

    it.each([2, 4, 8, 16])('Caltech-101, %d shots: GDA without text', async (shots) => {
      const test = load('caltech101', 'test');
      const labels = load('caltech101', `support_${shots}shot`).labels;
      const task = taskOf('caltech101', shots, Math.max(...labels) + 1, engine);
      const expected = golden.caltech101.renormalised[`K${shots}`].gda_no_text;
      expectCount(await correct('gda', { alpha: 1 }, task, test), expected.correct, expected.flippable_1e4);
    });
  },
);
