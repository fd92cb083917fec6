import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { npy, npyLabels, rowsOf } from '../bench/dump.fixture.ts';
import { ownFolder } from '../dataset/folder.fixture.ts';
import { type Matrix, matrix, scaled } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { exampleCount, exampleCounts } from './example-counts.ts';
import { remarksOf } from './fit-findings.ts';
import { type FitOptions, fit, load } from './index.ts';
import { rounded } from './rounding.ts';
import { sealed } from './sealed.fixture.ts';

const own = ownFolder();
const LABELS = Array.from({ length: 300 }, (_, i) => (7 * i) % 3);
const rows = rounded(rowsOf(LABELS, 'summary'), 'half');
const TEST = [0, 1, 2, 0, 1, 2];
const CLASSES = ['cat', 'dog', 'eel'];
const text = matrix(
  3,
  8,
  Float32Array.from({ length: 24 }, (_, at) => Number(at % 8 === Math.floor(at / 8))),
);

async function write(folder: string, features: Matrix, labels: readonly number[], classes = CLASSES) {
  await own.write(
    [`${folder}/info.json`, JSON.stringify({ classes, dataset: 'pets' })],
    [`${folder}/train.npy`, npy(features)],
    [`${folder}/train.labels.npy`, npyLabels(labels)],
    [`${folder}/test.npy`, npy(rowsOf(TEST, 'test'))],
    [`${folder}/test.labels.npy`, npyLabels(TEST)],
  );
  if (classes === CLASSES) await own.write([`${folder}/text.npy`, npy(text)]);
  return join(own.root, folder);
}

const part = (from: number, to: number) => matrix(to - from, 8, rows.data.slice(8 * from, 8 * to));
const summarised = (folder: string, options: FitOptions = {}) => fit(folder, { ...options, summary: true });
const queries = rowsOf(TEST, 'queries');

let all: string;
beforeEach(async () => {
  all = await write('all', rows, LABELS);
});

/** The largest difference of the scores of two classifiers. */
async function difference(a: { scores(f: Matrix): Promise<Matrix> }, b: typeof a): Promise<number> {
  const [x, y] = [await a.scores(queries), await b.scores(queries)];
  return x.data.reduce((most, value, i) => Math.max(most, Math.abs(value - y.data[i]!)), 0);
}

describe('a fit from a summary', () => {
  it('does not depend on the length of rows that half precision cannot hold', async () => {
    const wanted: FitOptions = { method: 'gda', options: { shrinkage: 0.5 }, alpha: 1, tune: 'fixed' };
    const tiny = await write('tiny', scaled(rows, 1e-9), LABELS);
    await own.write(['tiny/text.npy', npy(scaled(text, 1e-9))]);
    for (const summary of [true, false])
      expect(
        await difference(await fit(all, { ...wanted, summary }), await fit(tiny, { ...wanted, summary })),
      ).toBeLessThan(0.1);
  });

  it.each([
    { method: 'prototype', options: { scale: 20 }, most: 1e-4 },
    { method: 'gda', options: { shrinkage: 0.5 }, alpha: 1, most: 1e-4 },
    { method: 'ridge', options: { lambda: 0.2 }, most: 1e-3 },
    { method: 'linear-probe', options: { c: 3 }, most: 5e-3 },
    { method: 'proker-random-features', options: { frequencies: 64 }, most: 1e-3 },
    { method: 'tip-adapter-sketch', options: { landmarks: 4 }, alpha: 0.5, beta: 2, most: 1 },
  ])('by $method scores as the fit from examples in memory', async ({ most, ...wanted }) => {
    const given: FitOptions = { ...wanted, tune: 'fixed' };
    const whole = await fit(all, given);
    const own = await summarised(all, given);
    expect(await difference(own, whole)).toBeLessThan(most);
    expect(own.calibrated).toBe(true);
    expect(own.data.tuning).toMatchObject({ folds: 0, protocol: 'fixed' });
    expect([exampleCount(own.data), exampleCount(whole.data)]).toEqual([300, 300]);
    for (const classifier of [own, whole]) await classifier.close();
  });

  it('tunes and calibrates on too few left-out rows not at all, and says so', async () => {
    const few = await write('few', part(0, 48), LABELS.slice(0, 48));
    for (const seed of [1, 2, 3, 4]) {
      const { data, calibrated, findings } = await summarised(few, { method: 'gda', seed });
      const left = Number(/(\d+) rows? (?:was|were) left out/.exec(findings.at(-1)!.message)![1]);
      expect(data.tuning.judges).toBe(left < 12 ? 0 : left);
      expect(calibrated).toBe(left >= 12);
      if (left >= 12) continue;
      expect(data).toMatchObject({
        tuning: { protocol: 'fixed', temperature: 1 },
        options: { shrinkage: 1 },
      });
      expect(findings.at(-1)!.message).toContain('too few to tune or calibrate on (at least 12 are needed)');
    }
  });

  it('keeps the untuned constants unless the tuned ones are at least as good on the left-out rows', async () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const noisy = LABELS.map((label, i) => (i % 2 === seed % 2 ? (label + i) % 3 : label));
      const folder = await write(`noisy ${seed}`, rows, noisy);
      const resultOf = async (tune: 'folds' | 'fixed') => {
        const { data } = await summarised(folder, { method: 'gda', seed, tune });
        return data.tuning.compared![0]!;
      };
      const [tuned, plain] = [await resultOf('folds'), await resultOf('fixed')];
      expect(tuned.accuracy).toBeGreaterThanOrEqual(plain.accuracy);
      expect(tuned.nll).toBeLessThanOrEqual(plain.nll);
    }
  });

  it('is saved, loaded and evaluated like any other, without examples', async () => {
    const classifier = await summarised(all);
    const path = join(own.root, 'pets.safetensors');
    await classifier.save(path);
    const loaded = await load(path);
    expect(await difference(loaded, classifier)).toBe(0);
    expect(loaded.data.summary).toEqual(classifier.data.summary);
    const { method, encoder, summary } = classifier.data;
    expect(summary!.origin).toEqual({ method, encoder: encoder.fingerprint, classes: CLASSES, options: '' });
    expect(loaded.data.tuning).toMatchObject({ protocol: 'left-out', folds: 0 });
    expect(loaded.data.examples).toEqual([]);
    expect(exampleCounts(loaded.data)).toEqual([100, 100, 100]);
    const { accuracy, findings, leftOutFolds } = await loaded.evaluate(all);
    expect(accuracy).toBeGreaterThan(0.8);
    expect(findings.map(({ code }) => code)).toContain('eval/summary');
    expect(leftOutFolds).toBeUndefined();
    expect(await loaded.suspects()).toBeUndefined();
    expect(classifier.findings.map(({ code }) => code)).toContain('fit/summary');
    for (const one of [classifier, loaded]) await one.close();
  });

  it.each(['prototype', 'gda', 'ridge', 'tip-adapter-sketch'])(
    'by %s: add gives the classifier of all rows, and a classifier with other sums is refused',
    async (method) => {
      const wanted: FitOptions = { method, tune: 'fixed' };
      const first = await summarised(await write('first', part(0, 220), LABELS.slice(0, 220)), wanted);
      const grown = await first.add(await write('second', part(220, 300), LABELS.slice(220)));
      expect(exampleCount(grown.data)).toBe(300);
      expect(grown.findings).toMatchObject([{ code: 'add/summary' }]);
      expect(grown.data.version).toBe(2);
      const whole = await summarised(all, wanted);
      // The clusters of a sketch are chosen from the first rows only.
      const isSketch = method === 'tip-adapter-sketch';
      expect(await difference(grown, whole)).toBeLessThan(isSketch ? 3 : 1e-3);
      for (const one of [first, whole]) await one.close();
    },
  );

  it('chooses the penalty of a linear probe on left-out rows, saves it and tells the readings', async () => {
    const classifier = await summarised(all, { method: 'linear-probe' });
    const path = join(own.root, 'probe.safetensors');
    await classifier.save(path);
    const loaded = await load(path);
    expect(await difference(loaded, classifier)).toBe(0);
    expect(loaded.data.tuning).toMatchObject({ protocol: 'left-out', tuned: ['c'], folds: 0 });
    expect(loaded.data.tuning.surface.length).toBeGreaterThan(5);
    expect(exampleCounts(loaded.data)).toEqual([100, 100, 100]);
    const told = classifier.findings.filter(({ code }) => code === 'fit/summary' || code === 'fit/passes');
    expect(told).toMatchObject([
      { level: 'info', message: expect.stringMatching(/over 300 rows, read \d+ times/) },
    ]);
    for (const one of [classifier, loaded]) await one.close();
  });

  it('measures the error of a sketch on left-out rows, keeps it in the file and tells it', async () => {
    const classifier = await summarised(all, {
      method: 'tip-adapter-sketch',
      beta: 2,
      options: { landmarks: 8 },
    });
    const { error, agreement, judges } = classifier.data.state as Record<string, number>;
    expect(judges).toBeGreaterThan(30);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.1);
    expect(agreement).toBeGreaterThan(0.9);
    expect(classifier.findings.find(({ code }) => code === 'fit/remark')?.message).toContain(
      `on ${judges} left-out examples, the sums of the classes differ`,
    );
    await classifier.close();
  });

  it('measures the error of random frequencies on left-out rows, keeps it in the file and tells it', async () => {
    const wanted = { method: 'proker-random-features', options: { frequencies: 512 } };
    const classifier = await summarised(all, wanted);
    const path = join(own.root, 'random.safetensors');
    await classifier.save(path);
    const loaded = await load(path);
    const { error, agreement, judges, compared } = loaded.data.state as Record<string, number>;
    expect(judges! + compared!).toBeGreaterThan(40);
    expect(judges! + compared!).toBeLessThan(80);
    expect(error).toBeGreaterThan(0);
    expect(agreement).toBeGreaterThan(0.9);
    expect(loaded.data.tuning).toMatchObject({ protocol: 'left-out', tuned: ['lambda'] });
    expect(classifier.findings.find(({ code }) => code === 'fit/remark')?.message).toContain(
      `512 random frequencies for the kernel: on ${judges} left-out example`,
    );
    expect(await difference(loaded, classifier)).toBe(0);
    // After add, the remark is still about the rows that the error was measured with.
    const [remark] = remarksOf(loaded.data);
    expect(remark).toContain(`both learnt from ${compared} rows, the scores differ`);
    const grown = await loaded.add(await write('more', part(0, 40), LABELS.slice(0, 40)));
    expect(exampleCount(grown.data)).toBe(340);
    expect(remarksOf(grown.data)).toEqual([remark]);
    for (const one of [classifier, loaded]) await one.close();
  });

  it('refuses what needs the examples', async () => {
    const refused = (options: FitOptions) => summarised(all, options);
    await expect(refused({ method: 'tip-adapter' })).rejects.toMatchObject({ code: 'method/summary' });
    await expect(refused({ method: 'tip-adapter-sketch', beta: 30 })).rejects.toMatchObject({
      code: 'method/summary-option',
    });
    for (const option of [
      { shots: 2 },
      { keys: 'int8' },
      { tune: 'val' },
      { balance: true },
      { reject: 'auto' },
    ])
      await expect(refused(option as FitOptions)).rejects.toMatchObject({ code: 'fit/summary-option' });
    await expect(summarised(own.root)).rejects.toMatchObject({ code: 'fit/summary-source' });
    const probe = await summarised(all, { method: 'linear-probe', options: { c: 1 } });
    await expect(probe.add(all)).rejects.toMatchObject({
      code: 'classifier/summary',
      hint: 'Fit it again from the features.',
    });
    await probe.close();
    const classifier = await summarised(all, { method: 'prototype' });
    for (const change of [
      () => classifier.remove({ classes: ['cat'] }),
      () => classifier.refit({ method: 'gda' }),
      async () => classifier.add(await write('more', part(0, 4), [0, 1, 2, 3], [...CLASSES, 'fox'])),
    ])
      await expect(change()).rejects.toMatchObject({ code: 'classifier/summary' });
    await classifier.close();
  });

  it('leaves a file that is refused if a sum is missing, of another size or not finite', async () => {
    const path = join(own.root, 'pets.safetensors');
    const classifier = await summarised(all, { method: 'gda' });
    await classifier.save(path);
    await classifier.close();
    const bytes = new Uint8Array(await readFile(path));
    const { tensors } = parseSafetensors(bytes);
    const squares = tensors.get('summary.sums.squares')!;
    const altered = async (change: (all: Record<string, Tensor>) => void) => {
      await writeFile(
        path,
        sealed(bytes, (_, own) => change(own)),
      );
      return load(path);
    };
    await expect(altered((own) => delete own['summary.sums.squares'])).rejects.toThrow('squares is missing');
    await expect(
      altered((own) => {
        own['summary.sums.squares'] = { ...squares, shape: [4, 16] };
      }),
    ).rejects.toThrow('is [4, 16] instead of [8, 8]');
    await expect(
      altered((own) => {
        own['summary.sums.counts'] = { dtype: 'float64', shape: [3], data: Float64Array.of(1, 2.5, 3) };
      }),
    ).rejects.toThrow('not a count');
    await expect(
      altered((own) => {
        own['summary.sums.squares'] = { ...squares, data: new Float64Array(64).fill(Number.NaN) };
      }),
    ).rejects.toThrow('holds NaN');
    await expect(altered((own) => delete own['summary.sums.counts'])).rejects.toThrow(
      'not part of the format',
    );
  });
});
