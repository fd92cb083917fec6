import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { createEngine } from '../engine/node.ts';
import { matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import type { Tensor } from '../math/tensor.ts';
import { listMethods, methodById } from '../methods/index.ts';
import { letterTower } from '../methods/letter-tower.fixture.ts';
import type { Projection } from '../methods/projection.ts';
import { createScorer, scoreRows } from '../methods/score.ts';
import type { Support, Task } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { resolveOptions } from '../options.ts';
import { taskOf } from './classifier-task.ts';
import { readClassifier, writeClassifier } from './file.ts';
import { unlearnt } from './learn.ts';
import { rounded } from './rounding.ts';
import type { ClassifierData } from './types.ts';

/**
 * The contract of every method: classes of different sizes, one of them without an example, augmented views, with and without an engine,
 * a signal, a file. `npm test -- contract` also tests every registered method.
 */
const [CLASSES, WIDTH] = [4, 16];
const NAMES = ['ant', 'bee', 'cow', 'dog'];
const LABELS = [0, 0, 0, 1, 1, 2, 0]; // 4, 2, 1 and no examples
const noise = random('contract');
const rows = (n: number, cols = WIDTH) => {
  const data = Float32Array.from({ length: n * cols }, () => noise.normal());
  return rounded(matrix(n, cols, data), 'half');
};

/** Examples with view 0 and two augmented views. The last example has only view 0. */
function supportWithViews(): Support {
  const places = LABELS.flatMap((_, example) =>
    (example === LABELS.length - 1 ? [0] : [0, 1, 2]).map((view) => ({ example, view })),
  );
  return {
    features: rows(places.length),
    example: Int32Array.from(places, ({ example }) => example),
    view: Int32Array.from(places, ({ view }) => view),
    labels: Int32Array.from(LABELS),
    groups: Int32Array.from(LABELS.keys()),
  };
}

const support = supportWithViews();
const prompts = rows(2 * CLASSES);
const head = {
  ...headFromPrompts(prompts, Int32Array.of(0, 0, 1, 1, 2, 2, 3, 3), CLASSES, 10),
  prompts: NAMES.map((name) => [name, `a ${name}`]),
};
const queries = rows(9);

/** Few steps, and parts for the stack. */
const QUICK: Record<string, object> = {
  'cross-modal': { steps: 6, batch: 4 },
  'proker-random-features': { frequencies: 32 },
  'lp-plus-plus': { iterations: 5 },
  stack: {
    parts: {
      'tip-adapter': { options: {}, sharpness: 2, share: 0.25 },
      gda: { options: {}, sharpness: 1, share: 0.75 },
    },
  },
};

function problem(id: string, more: Partial<Task> = {}) {
  const method = methodById(id);
  const quick = 'epochs' in method.options ? { epochs: 2, batch: 4 } : {};
  const options = resolveOptions(method.options, { ...quick, ...QUICK[id] });
  const textTower = { tower: letterTower(WIDTH), names: NAMES };
  const projection: Projection = { weight: rows(WIDTH - 6, 6), bias: 0 };
  const parts = { support, head, textTower, projection };
  const task: Task = { classes: CLASSES, dimension: WIDTH, ...parts, seed: 3, ...more };
  return { method, options, task };
}

const engine = createEngine({ threads: 1 });
const folder = mkdtempSync(join(tmpdir(), 'contract-'));
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number) => {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++)
    expect(Math.abs(a[i]! - b[i]!), `number ${i}: ${a[i]} and ${b[i]}`).toBeLessThan(
      tolerance * (1 + Math.abs(b[i]!)),
    );
};

describe.each([...listMethods().map(({ id }) => id), 'stack'])('%s', (id) => {
  it('learns the same state on the interpreter and on the engine, with the declared numbers and tensors', async () => {
    const { method, options, task } = problem(id);
    const plain = await method.fit({ ...task, engine: interpreterEngine() }, options);
    const fast = await method.fit({ ...task, engine }, options);
    const held = method.holds(task, options);
    expect(Object.keys(plain).sort()).toEqual(Object.keys(held).sort());
    for (const [name, value] of Object.entries(plain)) {
      const { shape } = held[name]!;
      expect(typeof value === 'number', name).toBe(shape === undefined);
      if (typeof value === 'number') continue;
      expect(value.shape, name).toEqual(
        shape?.map((size) => (typeof size === 'number' ? size : expect.any(Number))),
      );
      close(value.data as Float32Array, (fast[name] as Tensor).data as Float32Array, 2e-3);
    }
  });

  it('gives the same scores by terms, on the interpreter and on the engine; a class without an example has a score', async () => {
    const { method, options, task } = problem(id, { engine });
    const state = await method.fit(task, options);
    const scorer = await createScorer(engine, method, state, task);
    const [scores, terms] = [await scorer.scores(queries), await scorer.termsAndVotes(queries)];
    await scorer.close();
    expect([scores.rows, scores.cols]).toEqual([queries.rows, CLASSES]);
    expect(scores.data.every(Number.isFinite)).toBe(true);
    close(scores.data, scoreRows(method, state, task, queries).data, 1e-3);
    const { votes, ...parts } = terms;
    const sum = scores.data.map((_, i) =>
      Object.values(parts).reduce((total, { data }) => total + data[i]!, 0),
    );
    close(sum, scores.data, 1e-4);
    if (votes) expect([votes.rows, votes.cols]).toEqual([queries.rows, LABELS.length]);
    expect(votes !== undefined).toBe(method.votes !== undefined);
  });

  it('stops for a signal that has fired', async () => {
    const { method, options, task } = problem(id, { engine });
    const signal = AbortSignal.abort();
    const fitted = Promise.resolve().then(() => method.fit({ ...task, signal }, options));
    // A method without asynchronous work may finish at once.
    await fitted.catch((error: Error) => expect(error).toMatchObject({ name: 'InterruptedError' }));
    if (method.trains) await expect(fitted).rejects.toMatchObject({ name: 'InterruptedError' });
  });

  it('is unchanged after saving and loading', async () => {
    const { method, options, task } = problem(id, { engine });
    const state = await method.fit(task, options);
    const data: ClassifierData = {
      ...unlearnt({
        classes: NAMES.map((name) => ({ id: name, name, promptName: name, prompts: [] })),
        templates: ['{}', 'a {}'],
        encoder: {
          ...{ id: 'test', fingerprint: 'a'.repeat(64), source: 'test', licence: 'MIT' },
          ...{ dimension: WIDTH, logitScale: 10 },
        },
        head,
        support,
        examples: LABELS.map((_, i) => ({ id: `${i}`, sha256: '0'.repeat(64) })),
        dataset: 'contract',
      }),
      ...{ method: id, options, state },
    };
    const path = join(folder, `${id}.safetensors`);
    await writeClassifier(path, data);
    const loaded = await readClassifier(path);
    expect(loaded.options).toEqual(options);
    const scores = async ({ state: own, ...known }: ClassifierData) => {
      const scorer = await createScorer(engine, method, own, {
        ...taskOf(known),
        textTower: task.textTower,
      });
      return (await scorer.scores(queries).finally(() => scorer.close())).data;
    };
    expect(await scores(loaded)).toEqual(await scores(data));
  });
});
