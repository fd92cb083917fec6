import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../src/engine/node.ts';
import { fromHalf } from '../src/math/half.ts';
import { argmax, type Matrix, matrix, row, selectRows } from '../src/math/matrix.ts';
import { methodById, plainSupport, type Task, type TextHead } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { resolveOptions } from '../src/options.ts';
import { parseNpy } from '../src/store/npy.ts';

const shared = join(import.meta.dirname, '../../shared');
const there =
  existsSync(join(shared, 'data/clip_vitb32')) && existsSync(join(shared, 'golden/real_features.json'));
const golden = there ? JSON.parse(readFileSync(join(shared, 'golden/real_features.json'), 'utf8')) : {};

interface Rows {
  features: Matrix;
  labels: Int32Array;
}

function load(dataset: string, file: string): Rows {
  const folder = join(shared, 'data/clip_vitb32', dataset);
  const info = JSON.parse(readFileSync(join(folder, 'info.json'), 'utf8'));
  const { dtype, shape, data } = parseNpy(readFileSync(join(folder, `${file}.npy`)));
  const values = dtype === 'float16' ? fromHalf(data as Uint16Array) : (data as Float32Array);
  return {
    features: matrix(shape[0], shape[1], values),
    labels: Int32Array.from(info.files[`${file}.npy`].labels ?? []),
  };
}

function headOf(dataset: string): TextHead {
  const { features } = load(dataset, 'text');
  const promptClass = Int32Array.from({ length: features.rows }, (_, c) => c);
  return { weights: features, promptFeatures: features, promptClass, logitScale: 100 };
}

function taskOf(dataset: string, shots: number, classes: number, head?: TextHead): Task {
  const { features, labels } = load(dataset, `support_${shots}shot`);
  return {
    classes,
    dimension: features.cols,
    support: plainSupport(features, labels),
    head,
    seed: 1,
    engine,
  };
}

const engine = createEngine();
afterAll(() => engine.close());

async function correct(id: string, options: Record<string, number>, task: Task, test: Rows): Promise<number> {
  const method = methodById(id);
  const state = await method.fit(task, resolveOptions(method.options, options));
  const scorer = await createScorer(engine, method, state, task);
  const scores = await scorer.scores(test.features);
  await scorer.close();
  return test.labels.filter((label, i) => argmax(row(scores, i)) === label).length;
}

/** Rows whose two best scores are nearly equal may fall to either side. */
function expectCount(got: number, expected: number, flippable = 0): void {
  expect(Math.abs(got - expected), `${got} right, expected ${expected}`).toBeLessThanOrEqual(flippable + 1);
}

describe.skipIf(!there)(
  'real CLIP features, training-free methods (needs ../shared/data/clip_vitb32)',
  () => {
    it.each([1, 2, 4, 8, 16])('Stanford Cars, %d shots: ProKeR, GDA', async (shots) => {
      const task = taskOf('stanford_cars', shots, 196, headOf('stanford_cars'));
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
        labels: Int32Array.from(kept, (i) => all.labels[i]),
      };
      const task = taskOf('imagenet', shots, 1000, headOf('imagenet'));
      const { correct: proker, flippable_1e4 } = expected.proker_default;
      expectCount(await correct('proker', {}, task, test), proker, flippable_1e4);
      const gda = expected.gda_tuned_on_the_evaluated_split;
      if (gda)
        expectCount(await correct('gda', { alpha: gda.alpha }, task, test), gda.correct, gda.flippable_1e4);
    });

    it.each([2, 4, 8, 16])('Caltech-101, %d shots: GDA without text', async (shots) => {
      const test = load('caltech101', 'test');
      const labels = load('caltech101', `support_${shots}shot`).labels;
      const task = taskOf('caltech101', shots, Math.max(...labels) + 1);
      const expected = golden.caltech101.renormalised[`K${shots}`].gda_no_text;
      expectCount(await correct('gda', { alpha: 1 }, task, test), expected.correct, expected.flippable_1e4);
    });
  },
);
