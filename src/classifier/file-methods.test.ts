import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { ModelError } from '../errors.ts';
import { toHalf } from '../math/half.ts';
import { matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, ofRank, sizeOf, type Tensor, type TensorData } from '../math/tensor.ts';
import { listMethods, methodById } from '../methods/index.ts';
import { letterTower } from '../methods/letter-tower.fixture.ts';
import type { Method } from '../methods/method.ts';
import { createScorer, scoreRows } from '../methods/score.ts';
import { plainSupport } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { resolveOptions } from '../options.ts';
import { PAGES } from '../store/content-hash.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { taskOf } from './classifier-task.ts';
import { decodeClassifier } from './decode.ts';
import { readClassifier } from './file.ts';
import { classifierBytes } from './file-bytes.ts';
import { unlearnt } from './learn.ts';
import { rounded } from './rounding.ts';
import { sealed } from './sealed.fixture.ts';
import type { ClassifierData } from './types.ts';

const methods: readonly Method[] = [...listMethods(), methodById('stack')];
const root = mkdtempSync(join(tmpdir(), 'file-methods-'));
const path = join(root, 'mutant.safetensors');
afterAll(() => rmSync(root, { recursive: true, force: true }));

const [CLASSES, WIDTH] = [3, 8];
// Classes of different sizes, so that no tensor is square and caches have padding.
const LABELS = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2];

function known(keys: 'half' | 'int8'): ClassifierData {
  const noise = random('file methods');
  const rows = (n: number) =>
    matrix(
      n,
      WIDTH,
      Float32Array.from({ length: n * WIDTH }, () => noise.normal()),
    );
  const prompts = rounded(rows(2 * CLASSES), 'half');
  const promptClass = Int32Array.of(0, 0, 1, 1, 2, 2);
  const names = ['ant', 'bee', 'cow'];
  return unlearnt({
    classes: names.map((id) => ({ id, name: id, promptName: id, prompts: [] })),
    templates: ['{}', 'a {}'],
    encoder: {
      id: 'test',
      fingerprint: 'a'.repeat(64),
      source: 'test',
      licence: 'MIT',
      dimension: WIDTH,
      logitScale: 10,
    },
    head: {
      ...headFromPrompts(prompts, promptClass, CLASSES, 10),
      prompts: names.map((name) => [name, `a ${name}`]),
    },
    support: plainSupport(rounded(rows(LABELS.length), keys), LABELS),
    examples: LABELS.map((_, i) => ({ id: `${i}`, sha256: '0'.repeat(64) })),
    dataset: 'test',
    ...(keys === 'int8' ? { keys: { type: 'int8', cosine: 0, probability: 0, agreement: 1 } } : {}),
  } as Parameters<typeof unlearnt>[0]);
}

/** Few steps; parts for the stack. */
const QUICK: Record<string, object> = {
  'proker-random-features': { frequencies: 32 },
  'cross-modal': { steps: 4 },
  'lp-plus-plus': { iterations: 5 },
  stack: {
    parts: {
      'tip-adapter': { options: {}, sharpness: 2, share: 0.25 },
      anchored: { options: {}, sharpness: 1, share: 0.75 },
    },
  },
};

async function fittedFile(id: string, keys: 'half' | 'int8' = 'half'): Promise<Uint8Array> {
  const data = known(keys);
  const method = methodById(id);
  if (!method) throw new Error(`no ${id}`);
  const quick = 'epochs' in method.options ? { epochs: 2 } : {};
  const options = resolveOptions(method.options, { ...quick, ...QUICK[id] });
  const names = data.classes.map(({ promptName }) => promptName);
  const textTower = { tower: letterTower(WIDTH), names };
  const numbers = Float32Array.from({ length: 15 }, (_, i) => Math.sin(i));
  const projection = { weight: matrix(5, WIDTH - 5, numbers), bias: 0 } as const;
  const task = { ...taskOf(data), engine: sharedEngine(), textTower, projection };
  const state = await method.fit(task, options);
  return classifierBytes({ ...data, method: id, options, state });
}

/** Reads a file whose features stay in it, and then all of these: pages are checked when they are first read. */
async function readInPages(): Promise<ClassifierData> {
  const data = await readClassifier(path, { largestInMemory: 0 });
  expect(data.support.features.data.length).toBeGreaterThan(0);
  return data;
}

/** Both ways of reading refuse the file, naming what is wrong with it. */
async function expectRefused(file: Uint8Array, name: string, what: string) {
  const refusal = expect.objectContaining({ name: 'ModelError', message: expect.stringContaining(name) });
  await expect(decodeClassifier(file), what).rejects.toEqual(refusal);
  writeFileSync(path, file);
  await expect(readInPages(), what).rejects.toEqual(refusal);
}

const withNumber = ({ dtype, shape, data }: Tensor, value: number): Tensor => {
  const other = data.slice();
  other[other.length >> 1] = (dtype === 'float16' ? toHalf(Float32Array.of(value))[0] : value) as never;
  return { dtype, shape, data: other as TensorData };
};

const transposed = ({ dtype, shape, data }: Tensor): Tensor => {
  const [rows, cols] = ofRank(shape, 2);
  const other = data.slice();
  for (let at = 0; at < other.length; at++)
    other[at] = data[(at % rows) * cols + Math.floor(at / rows)] as never;
  return { dtype, shape: [cols, rows], data: other as TensorData };
};

const shorter = ({ dtype, shape: [rows, ...rest], data }: Tensor): Tensor => ({
  dtype,
  shape: [rows! - 1, ...rest],
  data: data.slice(0, -sizeOf(rest)) as TensorData,
});

const changes: readonly [
  what: string,
  suits: (tensor: Tensor) => boolean,
  change: (tensor: Tensor) => Tensor,
][] = [
  ['NaN', ({ dtype }) => dtype.startsWith('float'), (tensor) => withNumber(tensor, Number.NaN)],
  [
    'infinity',
    ({ dtype }) => dtype.startsWith('float'),
    (tensor) => withNumber(tensor, Number.POSITIVE_INFINITY),
  ],
  ['a negative number', ({ dtype }) => dtype === 'int32', (tensor) => withNumber(tensor, -1)],
  [
    'another type',
    () => true,
    ({ shape, data }) => ({ dtype: 'float64', shape, data: Float64Array.from(data as Float32Array) }),
  ],
  ['another rank', () => true, (tensor) => ({ ...tensor, shape: [1, ...tensor.shape] })],
  ['a row less', ({ shape }) => shape.length > 0, shorter],
  ['rows for columns', ({ shape }) => shape.length === 2 && shape[0] !== shape[1], transposed],
];

describe('a classifier file of every method, resealed', () => {
  it.each(methods.map(({ id }) => id))(
    '%s: each tensor is checked in memory and page by page',
    async (id) => {
      const bytes = await fittedFile(id);
      const { state } = await decodeClassifier(bytes);
      writeFileSync(path, bytes);
      expect((await readClassifier(path, { largestInMemory: 0 })).state).toEqual(state);
      for (const [name, tensor] of parseSafetensors(bytes).tensors) {
        if (name === PAGES) continue;
        for (const [what, suits, change] of changes) {
          if (!suits(tensor)) continue;
          // The number of prompts and examples is free, so a change of it makes other tensors not fit. Any size of a learnt context is valid.
          if (what === 'a row less' && ['text.features', 'support.features', 'state.context'].includes(name))
            continue;
          if (what === 'rows for columns' && name === 'state.context') continue;
          const altered = sealed(bytes, (_, tensors) => {
            tensors[name] = change(tensor);
          });
          await expectRefused(altered, name, `${name} ${what}`);
        }
        const without = sealed(bytes, (_, tensors) => delete tensors[name]);
        // Without its features there is no text head, and the tensor of its classes is superfluous.
        await expectRefused(without, name === 'text.features' ? '' : name, `${name} missing`);
      }
      const more = sealed(bytes, (_, tensors) => {
        tensors['state.more'] = floatTensor([1], Float32Array.of(1));
      });
      await expectRefused(more, 'state.more', 'one tensor more');
    },
  );

  it.each(methods.map(({ id }) => id))('%s: each number beside the tensors is checked', async (id) => {
    const bytes = await fittedFile(id);
    const { scalars } = JSON.parse(parseSafetensors(bytes).metadata.classifier!) as {
      scalars: Record<string, number>;
    };
    type Scalars = { scalars: Record<string, unknown> };
    for (const name of Object.keys(scalars)) {
      for (const value of [-1, 1e300, 'x', null, undefined]) {
        const altered = sealed(bytes, (about) => {
          (about as Scalars).scalars[name] = value;
        });
        await expectRefused(altered, `scalars.${name}`, `${name} ${value}`);
      }
    }
    const more = sealed(bytes, (about) => {
      (about as Scalars).scalars.more = 1;
    });
    await expectRefused(more, 'scalars.more', 'one number more');
  });

  it('stack: gives equal answers from memory and from the file if one of its parts is a cache', async () => {
    const bytes = await fittedFile('stack');
    writeFileSync(path, bytes);
    const [near, far] = [await decodeClassifier(bytes), await readClassifier(path, { largestInMemory: 0 })];
    const stack = methods.find(({ id }) => id === 'stack') as Method;
    const scores = (data: ClassifierData) =>
      scoreRows(stack, data.state, taskOf(data), near.support.features).data;
    expect(scores(far)).toEqual(scores(near));
  });

  it('in 8 bits: rows must have their stated lengths', async () => {
    const bytes = await fittedFile('tip-adapter', 'int8');
    const change = (name: string, value: number) =>
      sealed(bytes, (_, tensors) => {
        tensors[name] = withNumber(tensors[name]!, value);
      });
    writeFileSync(path, bytes);
    expect((await readClassifier(path, { largestInMemory: 0 })).support.labels).toHaveLength(LABELS.length);
    await expectRefused(change('support.scales', 0.5), 'support.scales', 'another length');
    await expectRefused(change('support.scales', Number.NaN), 'support.scales', 'no length');
    await expectRefused(change('support.steps', 1), 'support.scales', 'another unit');
    await expectRefused(change('support.steps', -1), 'support.steps', 'a negative unit');
    await expectRefused(change('support.features', 99), 'support.scales', 'another number');
    const half = sealed(bytes, (about) => delete about.keys);
    await expectRefused(half, 'support.features', 'said to be of 16 bits');
  });
});

it('is refused if rows that must have length 1 have another length', async () => {
  const longer = sealed(await fittedFile('timo'), (_, tensors) => {
    tensors['state.text'] = withNumber(tensors['state.text']!, 2);
  });
  await expectRefused(longer, 'state.text has a row of length', 'a longer row');
});

it('throws an error instead of returning NaN if its numbers overflow', async () => {
  const huge = sealed(await fittedFile('linear-probe'), (_, tensors) => {
    const { shape } = tensors['state.weight']!;
    tensors['state.weight'] = floatTensor(shape, new Float32Array(sizeOf(shape)).fill(3e38));
  });
  const data = await decodeClassifier(huge);
  const method = methods.find(({ id }) => id === data.method) as Method;
  const scorer = await createScorer(sharedEngine(), method, data.state, taskOf(data));
  const rows = matrix(1, WIDTH, new Float32Array(WIDTH).fill(1));
  const refusal = expect.objectContaining({ code: 'method/not-finite' });
  await expect(scorer.scores(rows)).rejects.toEqual(refusal);
  await expect(scorer.terms(rows)).rejects.toEqual(refusal);
  await scorer.close();
});

it('answers as in float64 instead of with scores of 0 if a length overflows', async () => {
  const huge = sealed(await fittedFile('clip-adapter'), (_, tensors) => {
    for (const [name, value] of [
      ['state.w1', 1e37],
      ['state.w2', 0.1],
    ] as const) {
      const { shape } = tensors[name]!;
      tensors[name] = floatTensor(shape, new Float32Array(sizeOf(shape)).fill(value));
    }
  });
  const data = await decodeClassifier(huge);
  const method = methods.find(({ id }) => id === data.method) as Method;
  const rows = matrix(1, WIDTH, new Float32Array(WIDTH).fill(1));
  const exact = scoreRows(method, data.state, taskOf(data), rows);
  expect(exact.data.some((score) => Math.abs(score) > 1)).toBe(true);
  const scorer = await createScorer(sharedEngine(), method, data.state, taskOf(data));
  const scores = await scorer.scores(rows);
  exact.data.forEach((score, i) => {
    expect(scores.data[i]).toBeCloseTo(score, 3);
  });
  await scorer.close();
});

it('is refused if its options do not fit its method', async () => {
  const bytes = await fittedFile('tip-adapter');
  const other = sealed(bytes, (about) => Object.assign(about, { method: 'gda' }));
  await expect(decodeClassifier(other)).rejects.toBeInstanceOf(ModelError);
  const twins = sealed(bytes, (about) => {
    const [first, second] = about.classes as [{ id: string }, { id: string }];
    second.id = first.id;
  });
  await expectRefused(twins, 'two have one id', 'two classes of one id');
});
