import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { setSharedEngine } from '../engine/shared.ts';
import { UsageError } from '../errors.ts';
import { mul } from '../graph/elementwise.ts';
import { constant, type Expr } from '../graph/expression.ts';
import { fromRows, matrix, row } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import { listMethods, methodById } from '../methods/index.ts';
import { letterTower } from '../methods/letter-tower.fixture.ts';
import type { Classifier } from './classifier.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { type FitOptions, fit } from './fit.ts';
import { fitOptions } from './fit-options.ts';
import { methodOptions } from './method-options.ts';

const at = workspace();
// The problems here are too small for threads.
setSharedEngine(interpreterEngine());
const letters = letterTower(16);
/** An encoder of texts that depends on their order: later words have larger weights. */
const tower = {
  ...letters,
  encode: (embeddings: Expr, end: Expr) => {
    const [, t] = embeddings.shape as [number, number];
    const order = floatTensor(
      [1, t, 1],
      Float32Array.from({ length: t }, (_, i) => 1 + 0.1 * i),
    );
    return letters.encode(mul(embeddings, constant(order)), end);
  },
};
/** Features of the class names, similar to those of their pictures. */
const meanings = new Map<string, number[]>();
const encoder = {
  ...fakeEncoder(),
  textTower: async () => tower,
  projection: async () => ({
    weight: matrix(
      10,
      6,
      Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
    ),
    bias: 0 as const,
  }),
  embedTexts: async (texts: string[]) =>
    fromRows(
      texts.map((text) => {
        const { normal } = random('text', text);
        const [, meaning] = [...meanings].find(([name]) => text.includes(name)) ?? [];
        return Array.from({ length: 16 }, (_, j) => (meaning?.[j] ?? 0) + 0.9 * normal());
      }),
    ),
};
const ids = [...listMethods().map(({ id }) => id), 'auto'];

beforeAll(async () => {
  await writePictures(at('data/train'), { cat: 3, dog: 3, owl: 3 });
  await writePictures(at('data/val'), { cat: [7, 8], dog: [7, 8], owl: [7, 8] });
  await writePictures(at('data/test'), { cat: [9], dog: [9], owl: [9] });
  const { data, close } = await fit(at('data'), { encoder, method: 'prototype', thumbnails: false }).then(
    (classifier) => ({ data: classifier.data, close: () => classifier.close() }),
  );
  data.classes.forEach(({ id }, c) => {
    meanings.set(id, Array.from(row(data.support.features, data.support.labels.indexOf(c))));
  });
  await close();
  await writeFile(at('classes.csv'), 'id,name,prompt\ncat,Kitty,cat\ndog,dog,dog\nowl,owl,owl\n');
});

/** Budgets that keep trainings short. */
const SHORT: Record<string, unknown> = { epochs: 2, steps: 8, iterations: 20, frequencies: 24 };

/** Another value of every option of a method. */
const OWN: Record<string, unknown> = {
  alpha: 0.7,
  beta: 2.3,
  gamma: 0.4,
  temperature: 0.3,
  scale: 60,
  c: 2,
  strength: 0.7,
  shrinkage: 2,
  ridge: 4,
  names: 0.4,
  landmarks: 1,
  frequencies: 48,
  weight: 3,
  broad: 2,
  mix: 0.4,
  power: 0.5,
  refine: 0.3,
  lambda: 0.3,
  channels: 0.4,
  ratio: 0.6,
  reduction: 2,
  epochs: 3,
  steps: 14,
  iterations: 31,
  rate: 0.02,
  batch: 4,
  raw: false,
  blend: 0.4,
  official: true,
  context: 3,
  init: 'an old',
  position: 'front',
  classSpecific: true,
  agreement: 0.1,
  promptsPerClass: 3,
  thorough: true,
  synthesis: true,
};
/** Options without a consequence where every class has examples. */
const FOR_NEW_CLASSES = ['synthesis'];

/** For every option of `fit` that is not a method's: another value, and its effect on the classifier. */
const COMMON: Record<string, [value: unknown, changes: (one: Classifier, other: Classifier) => boolean]> = {
  shots: [2, ({ data }) => data.shots === 2 && data.examples.length === 6],
  balance: [true, ({ findings }) => findings.some(({ code }) => code === 'fit/balance')],
  groupBy: ['name-prefix', ({ findings }) => findings.some(({ code }) => code === 'dataset/no-groups')],
  seed: [5, ({ data }) => data.seed === 5],
  views: [2, ({ data }) => data.views === 2 && data.support.features.rows === 27],
  template: [['a drawing of a {}.', 'a {}.'], ({ data }) => data.templates[0] === 'a drawing of a {}.'],
  prompts: ['imagenet', ({ data }) => data.templates.length === 7],
  classes: [undefined, ({ data }) => data.classes[0]!.name === 'Kitty'],
  keys: ['int8', ({ data }) => data.keys?.type === 'int8'],
  reject: [0.3, ({ data }) => data.reject === 0.3],
  exif: [false, ({ data }) => !data.exif],
  thumbnails: [true, ({ data }) => data.examples.every(({ thumbnail }) => thumbnail !== undefined)],
  trainingFree: [
    true,
    ({ data }) =>
      data.method !== 'anchored' && !Object.hasOwn((data.options.parts ?? {}) as object, 'anchored'),
  ],
};

const open: Classifier[] = [];
afterAll(() => Promise.all(open.map((classifier) => classifier.close())));

type Method = string;

async function fitted(method: Method, { options = {}, ...given }: FitOptions = {}): Promise<Classifier> {
  const table = method === 'auto' ? {} : methodById(method).options;
  const short = Object.fromEntries(Object.entries(SHORT).filter(([name]) => name in table));
  // TIMO needs several prompts.
  const prompts = given.prompts === undefined ? ['a photo of a {}.', 'a {} here.'] : undefined;
  const classifier = await fit(at('data'), {
    encoder,
    method,
    thumbnails: false,
    template: method === 'timo' ? prompts : undefined,
    ...given,
    options: { ...short, ...options },
  });
  open.push(classifier);
  return classifier;
}

const noise = random('queries');
const queries = matrix(
  5,
  16,
  Float32Array.from({ length: 80 }, () => noise.normal()),
);

/** Whether two classifiers give different answers. With random names, differences of probabilities are small. */
async function differ(one: Classifier, other: Classifier): Promise<boolean> {
  const [a, b] = await Promise.all([one.scores(queries), other.scores(queries)]);
  return a.data.some((score, i) => score !== b.data[i]);
}

/** The error that refuses an option and names it and the method. Undefined if the option is accepted. */
async function refusalOf(method: Method, name: string, work: Promise<unknown>): Promise<string | undefined> {
  const error = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  if (error === undefined) return undefined;
  expect(error, `${method} ${name}: ${error.stack}`).toBeInstanceOf(UsageError);
  expect(error.message).toContain(name);
  expect(error.message).toContain(method === 'auto' ? '' : method);
  return error.message;
}

it('the table has every option', () => {
  const apart = ['encoder', 'method', 'tune', 'summary'];
  const named = [...Object.keys(COMMON), ...Object.keys(OWN)];
  const all = [...Object.keys(fitOptions), ...Object.keys(methodOptions('auto'))].filter(
    (name) => !apart.includes(name),
  );
  expect(named.sort()).toEqual(all.sort());
});

describe.each(ids)('%s', (method) => {
  const table = method === 'auto' ? {} : methodById(method).options;
  const own = Object.keys(OWN).filter((name) => name in table);

  // If there is nothing to search, folds give the result of `fixed`.
  const searches = method !== 'auto' && Boolean(methodById(method).search ?? methodById(method).votes);
  it.each(searches ? (['fixed', 'folds'] as const) : (['fixed'] as const))(
    '--tune %s: takes each of its options as it is given',
    async (tune) => {
      const plain = await fitted(method, { tune });
      for (const name of own) {
        const isFlag = name === 'alpha' || name === 'beta';
        const options = { [name]: OWN[name] };
        const work = fitted(method, { tune, ...(isFlag ? options : { options }) });
        if (name === 'thorough' && tune === 'fixed') {
          await expect(work).rejects.toMatchObject({ code: 'method/option' });
          continue;
        }
        const other = await work;
        expect(other.data.options[name], name).toBe(OWN[name]);
        expect(other.data.tuning.given, name).toContain(name);
        expect(other.data.tuning.tuned ?? [], name).not.toContain(name);
        expect(other.calibrated, name).toBe(true);
        const differs = FOR_NEW_CLASSES.includes(name) || (await differ(plain, other));
        expect(differs, `${name} changes nothing`).toBe(true);
      }
    },
  );

  it('--tune val and paper: takes its options, or refuses those that the split chooses', async () => {
    for (const name of own) {
      const isFlag = name === 'alpha' || name === 'beta';
      for (const tune of isFlag ? (['val', 'paper'] as const) : (['val'] as const)) {
        const options = { [name]: OWN[name] };
        const work = fitted(method, { tune, ...(isFlag ? options : { options }) });
        const refused = await refusalOf(method, name, work);
        expect(refused !== undefined, `${tune} ${name}: ${refused}`).toBe(isFlag);
        if (refused === undefined) expect((await work).data.options[name]).toBe(OWN[name]);
      }
    }
  });

  it('refuses the options of other methods, naming option and method', async () => {
    for (const tune of ['fixed', 'folds', 'val', 'paper'] as const) {
      for (const name of Object.keys(OWN).filter((option) => !(option in table))) {
        const isFlag = name === 'alpha' || name === 'beta';
        // These options select Tip-Adapter.
        if (method === 'auto' && isFlag) continue;
        const options = { [name]: OWN[name] };
        const work = fitted(method, { tune, ...(isFlag ? options : { options }) });
        const refused = await refusalOf(method, name, work);
        expect(refused, `${tune} ${name}`).toBeDefined();
      }
    }
  });

  it('follows every protocol: constants, temperature and their description', async () => {
    const rows = { fixed: [9, 3], folds: [9, 3], val: [6, 0], paper: [3, 0] };
    const seen = new Map<string, Classifier>();
    for (const [tune, [judges, folds]] of Object.entries(rows)) {
      const classifier = await fitted(method, { tune: tune as 'folds' });
      const { tuning, method: taken } = classifier.data;
      seen.set(tune, classifier);
      expect([tuning.judges, tuning.folds], tune).toEqual([judges, folds]);
      const setsScale = methodById(taken).calibrates !== undefined && tune !== 'val';
      if (!setsScale) expect(tuning.nll, tune).toBeGreaterThan(0);
      const chosen = (tuning.tuned ?? []).length > 0 || (method === 'auto' && tune !== 'fixed');
      // If there is nothing to choose, folds also give the result without a choice.
      expect(tuning.protocol, tune).toBe(tune === 'folds' && !chosen ? 'fixed' : tune);
      if (tune === 'fixed') expect(chosen).toBe(false);
    }
    const temperatures = ['folds', 'val', 'paper'].map((tune) => seen.get(tune)?.data.tuning.temperature);
    expect(new Set(temperatures).size).toBe(3);
  });

  it('uses every other option, or refuses it', async () => {
    const tune = 'fixed';
    const plain = await fitted(method, { tune });
    for (const [name, [value, changes]] of Object.entries(COMMON)) {
      const given = { [name]: name === 'classes' ? at('classes.csv') : value };
      const work = fitted(method, { tune, ...given });
      const refused = await refusalOf(method, name, work);
      const expected =
        (name === 'trainingFree' && method !== 'auto') || (name === 'views' && method === 'zero-shot');
      expect(refused !== undefined, `${name}: ${refused}`).toBe(expected);
      if (refused !== undefined) continue;
      const other = await work;
      expect(changes(other, plain), name).toBe(true);
      const told = other.findings.some(({ code }) => code === 'fit/unread-prompts');
      if (name === 'template' || name === 'prompts') {
        expect(await differ(plain, other), name).toBe(!told);
      }
      if (name === 'views') expect(await differ(plain, other), name).toBe(true);
    }
  });
});

describe('options that exclude each other', () => {
  it.each<[string, FitOptions]>([
    ['template and prompts', { template: ['{}'], prompts: 'dtd' }],
    ['alpha is given twice', { method: 'tip-adapter', alpha: 1, options: { alpha: 2 } }],
    ['context has no effect with coop', { method: 'coop', options: { context: 4, init: 'a' } }],
    ['resume has no effect with gda', { method: 'gda', resume: true, checkpoint: 'x' }],
    ['resume has no effect with auto', { resume: true, checkpoint: 'x' }],
    ['resume needs the checkpoint', { method: 'tip-adapter-f', resume: true }],
    ['trainingFree has no effect with tip-adapter', { trainingFree: true, alpha: 1 }],
    ['trainingFree has no effect with tip-adapter', { trainingFree: true, tune: 'paper' }],
    ['auto has no option epochs', { options: { epochs: 3 } }],
    ['Option alpha cannot be -1', { method: 'gda', options: { alpha: -1 } }],
  ])('%s', async (message, options) => {
    const error = await fit(at('data'), { encoder, ...options }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(message);
  });

  it('refuses options about classes if the data were read before', async () => {
    const { readDataset } = await import('../dataset/read.ts');
    const dataset = await readDataset(at('data'));
    await expect(fit(dataset, { encoder, classes: at('classes.csv') })).rejects.toMatchObject({
      code: 'fit/classes',
    });
  });
});

describe('refit', () => {
  it('keeps given values, as fit does', async () => {
    const classifier = await fitted('tip-adapter', { tune: 'fixed' });
    for (const values of [
      { alpha: 0.7 },
      { beta: 2.3 },
      { shots: 2 },
      { seed: 4 },
      { method: 'gda', alpha: 0.7 },
      { method: 'clip-adapter', seed: 4, options: { epochs: 2 } },
      { tune: 'fixed' },
    ] as const) {
      const { data } = await classifier.refit(values);
      const { shots, seed, alpha, beta } = {
        shots: undefined,
        seed: 1,
        alpha: undefined,
        beta: undefined,
        ...values,
      };
      expect([data.shots, data.seed]).toEqual([shots, seed]);
      if (alpha !== undefined) expect(data.options.alpha).toBe(alpha);
      if (beta !== undefined) expect(data.options.beta).toBe(beta);
    }
    const adapter = { method: 'clip-adapter', options: { epochs: 2 } } as const;
    const [one, other] = [await classifier.refit(adapter), await classifier.refit({ ...adapter, seed: 4 })];
    expect(await differ(one, other)).toBe(true);
    await expect(classifier.refit({ method: 'zero-shot', alpha: 1 })).rejects.toThrow(
      'zero-shot has no option alpha',
    );
    await expect(classifier.refit({ trainingFree: true })).rejects.toThrow('trainingFree');
  });
});
