import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { constantRate } from '../engine/training/schedule.ts';
import { mul } from '../graph/elementwise.ts';
import { constant } from '../graph/expression.ts';
import { matrix, selectRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { smallTask } from '../methods/golden.fixture.ts';
import { methodById } from '../methods/index.ts';
import type { TaskWith } from '../methods/method.ts';
import { plainSupport, type Task } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { keyTraining } from '../methods/tip-adapter-f.ts';
import { type Training, train } from '../methods/train.ts';
import { resolveOptions } from '../options.ts';
import type { Classifier } from './classifier.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { type FitOptions, fit } from './fit.ts';
import { fileCheckpoint } from './training-checkpoint.ts';

const at = workspace();
const open: Classifier[] = [];
afterAll(() => Promise.all(open.map((classifier) => classifier.close())));
const refused = { code: 'fit/resume', exitCode: 2 };

/** The small problem with half of its examples, so that there are others. */
const half = [...smallTask.support.labels.keys()].filter((i) => i % 2 === 0);
const features = selectRows(smallTask.support.features, half);
const labels = half.map((i) => smallTask.support.labels[i]!);
const validation = { features: selectRows(features, [1, 2]), labels: Int32Array.from(labels.slice(1, 3)) };
const base: TaskWith<'text'> = { ...smallTask, support: plainSupport(features, labels) };
const { head } = base;

/** The same numbers, except one that differs by the smallest possible amount. */
function nudged(data: Float32Array): Float32Array {
  const out = data.slice();
  const bits = new Int32Array(out.buffer);
  bits[bits.length - 1]! += 1;
  return out;
}
const nudgedMatrix = (m: { rows: number; cols: number; data: Float32Array }) =>
  matrix(m.rows, m.cols, nudged(m.data));

describe('a checkpoint', () => {
  const numbers = { alpha: 1, beta: 5.5, epochs: 2, rate: 1e-3, batch: 9 };
  const trainingOf = (task: TaskWith<'text'>): Training => keyTraining(task, numbers);
  let serial = 0;

  /** Whether a training continues from the checkpoint of another one. */
  async function goesOn(one: [Task, Training], other: [Task, Training]): Promise<unknown> {
    const path = at(`${serial++}.training`);
    const [task, training] = one;
    await train({ ...task, checkpoint: fileCheckpoint(path, {}) }, training);
    const [next, changed] = other;
    const checkpoint = fileCheckpoint(path, { resume: true });
    return train({ ...next, checkpoint }, changed).then(
      () => true,
      (error) => error.code,
    );
  }

  it('is continued by the same training', async () => {
    expect(await goesOn([base, trainingOf(base)], [base, trainingOf(base)])).toBe(true);
    const validated = { ...base, validation };
    expect(await goesOn([validated, trainingOf(validated)], [validated, trainingOf(validated)])).toBe(true);
  });

  it('is refused if a byte of it is changed', async () => {
    const path = at('damaged.training');
    const training = trainingOf(base);
    await train({ ...base, checkpoint: fileCheckpoint(path, {}) }, training);
    const bytes = await readFile(path);
    for (const byte of [bytes.length - 1, bytes.length - 5000, bytes.indexOf('"step":"') + 8]) {
      const damaged = Buffer.from(bytes);
      damaged[byte]! ^= 1;
      await writeFile(path, damaged);
      const resumed = train({ ...base, checkpoint: fileCheckpoint(path, { resume: true }) }, training);
      await expect(resumed, `byte ${byte}`).rejects.toMatchObject({ code: 'fit/checkpoint', exitCode: 4 });
    }
  });

  const tasks: Record<string, TaskWith<'text'>> = {
    'another example': { ...base, support: { ...base.support, features: nudgedMatrix(features) } },
    'another label': {
      ...base,
      support: plainSupport(
        features,
        labels.map((label, i) => (i === 0 ? (label + 1) % 6 : label)),
      ),
    },
    'a view more': {
      ...base,
      support: {
        ...base.support,
        features: matrix(25, 32, Float32Array.of(...features.data, ...features.data.subarray(0, 32))),
        example: Int32Array.of(...base.support.example, 0),
        view: Int32Array.of(...base.support.view, 1),
      },
    },
    'another text head': { ...base, head: { ...head, weights: nudgedMatrix(head.weights) } },
    'another logit scale': { ...base, head: { ...head, logitScale: 99 } },
    'another seed': { ...base, seed: 2 },
    'validation rows': { ...base, validation },
  };
  it.each(Object.entries(tasks))('is not continued with %s', async (_, task) => {
    expect(await goesOn([base, trainingOf(base)], [task, trainingOf(task)])).toBe('fit/resume');
  });

  it('is not continued with other validation rows', async () => {
    const task = { ...base, validation };
    for (const other of [
      { ...validation, features: nudgedMatrix(validation.features) },
      { ...validation, labels: Int32Array.of(0, 0) },
    ]) {
      const changed = { ...base, validation: other };
      expect(await goesOn([task, trainingOf(task)], [changed, trainingOf(changed)])).toBe('fit/resume');
    }
  });

  const training = trainingOf(base);
  const keys = training.parameters.keys!;
  const trainings: Record<string, Training> = {
    'another alpha': keyTraining(base, { ...numbers, alpha: 1.001 }),
    'another beta': keyTraining(base, { ...numbers, beta: 5.501 }),
    'more epochs': keyTraining(base, { ...numbers, epochs: 3 }),
    'another rate': keyTraining(base, { ...numbers, rate: 1.001e-3 }),
    'other batches': keyTraining(base, { ...numbers, batch: 8 }),
    'other start values': {
      ...training,
      parameters: { keys: floatTensor(keys.shape, nudged(keys.data as Float32Array)) },
    },
    'another fixed input': {
      ...training,
      fixed: { ...training.fixed, unused: floatTensor([], Float32Array.of(1)) },
    },
    'another optimiser': { ...training, optimiser: { kind: 'adamw', eps: 1e-8, weightDecay: 0.01 } },
    'another schedule': { ...training, rate: () => constantRate(1e-3) },
    'another loss': { ...training, scores: (batch) => mul(training.scores(batch), 2) },
    'a penalty': { ...training, penalty: constant(floatTensor([], Float32Array.of(0))) },
    'other chunks': {
      ...training,
      blocks: training.blocks && { ...training.blocks, partial: mul(training.blocks.partial, 1.5) },
    },
    'another order': { ...training, order: () => [[...half.keys()].reverse()] },
  };
  it.each(Object.entries(trainings))('is not continued with %s', async (_, changed) => {
    expect(await goesOn([base, training], [base, changed])).toBe('fit/resume');
  });
});

describe('a method that trains', () => {
  /** Few steps, and another value of each option that the training depends on. */
  const methods: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ['tip-adapter-f', { epochs: 2 }, { alpha: 2, beta: 5, epochs: 3, rate: 0.002, batch: 5 }],
    ['clip-adapter', { epochs: 2 }, { ratio: 0.3, reduction: 2, epochs: 3, rate: 0.002, batch: 5 }],
    ['taskres', { epochs: 2 }, { scale: 0.6, raw: false, epochs: 3, rate: 0.001, batch: 5 }],
    ['cross-modal', { steps: 6 }, { steps: 9, rate: 0.002, batch: 5 }],
    ['clap', { epochs: 2 }, { epochs: 3, rate: 0.2, batch: 5 }],
    ['ape-t', { epochs: 2 }, { alpha: 2, beta: 2, channels: 0.9, epochs: 3, rate: 0.002, batch: 5 }],
  ];
  const task: TaskWith<'text'> = {
    ...base,
    // Text features without unit length, so that raw and unit rows differ.
    head: headFromPrompts(
      matrix(
        6,
        32,
        head.promptFeatures.data.map((x) => 3 * x),
      ),
      head.promptClass,
      6,
      head.logitScale,
    ),
  };

  it.each(methods)('%s is not continued with another value of an option', async (id, few, others) => {
    const method = methodById(id);
    const path = at(`${method.id}.training`);
    const fitted = (options: Record<string, unknown>, resume: boolean) =>
      method.fit(
        { ...task, checkpoint: fileCheckpoint(path, { resume }) },
        resolveOptions(method.options, { ...few, ...options }),
      );
    await fitted({}, false);
    await fitted({}, true);
    for (const [name, value] of Object.entries(others)) {
      await expect(fitted({ [name]: value }, true), name).rejects.toMatchObject(refused);
    }
  });
});

describe('fit with a checkpoint', () => {
  const encoder = fakeEncoder();

  async function fitted(folder: string, options: FitOptions) {
    // Tuned on a split, because calibrating on left-out examples would train on each fold before the checkpoint is read.
    const given = { encoder, thumbnails: false, method: 'tip-adapter-f', tune: 'val', ...options } as const;
    const classifier = await fit(folder, { ...given, options: { epochs: 6, batch: 2, ...options.options } });
    open.push(classifier);
    return classifier;
  }

  it('continues only with the same pictures, prompts and options, and gives the same bytes', async () => {
    const written = (name: string, last: number) =>
      writePictures(at(name), {
        ...{ 'train/cat': 3, 'train/dog': [0, 1, last] },
        ...{ 'val/cat': [3], 'val/dog': [3] },
      });
    const [photos, others] = [await written('photos', 2), await written('others', 7)];
    const checkpoint = at('fit.training');
    const whole = await fitted(photos, {});
    const stop = new AbortController();
    const part = await fitted(photos, {
      checkpoint,
      signal: stop.signal,
      onFit: ({ done }) => done === 7 && stop.abort(),
    });
    expect(part.data.state.epochs).toBeLessThanOrEqual(2);
    expect(part.data.interrupted).toEqual({ epochs: expect.toBeOneOf([1, 2]), of: 6 });
    open.push(await part.refit({ method: 'prototype' }));
    expect(open.at(-1)!.data.interrupted).toBeUndefined();
    const changes: FitOptions[] = [
      { template: ['a drawing of a {}.'] },
      { prompts: 'eurosat' },
      { seed: 2 },
      { views: 2 },
      { shots: 2 },
      { keys: 'int8' },
      { options: { rate: 0.1 } },
      { encoder: fakeEncoder('other', 'b', 20) },
    ];
    for (const change of changes) {
      const again = fitted(photos, { checkpoint, resume: true, ...change });
      await expect(again, JSON.stringify(change)).rejects.toMatchObject(refused);
    }
    await expect(fitted(others, { checkpoint, resume: true })).rejects.toMatchObject(refused);
    const rest = await fitted(photos, { checkpoint, resume: true });
    expect(rest.data.state).toEqual(whole.data.state);
    for (const { data } of [rest, whole]) expect(data.interrupted).toBeUndefined();
    expect(existsSync(checkpoint)).toBe(false);
    await expect(fitted(photos, { checkpoint, resume: true })).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('no interrupted training'),
    });
  });
});
