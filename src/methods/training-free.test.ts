import { describe, expect, it } from 'vitest';
import { atOnce } from '../abort.ts';
import { concatRows, matrix, productT, row, selectRows, softmax, topK, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { resolveOptions } from '../options.ts';
import { channelMask } from './ape.ts';
import { expectClose, smallQueries, smallTask } from './golden.fixture.ts';
import { checkNeeds, methodById } from './index.ts';
import { prepared } from './method.ts';
import { scoreRows } from './score.ts';
import { keysOf, plainSupport, type TextHead } from './task.ts';

async function scores(id: string, options: Record<string, number>, task = smallTask) {
  const method = methodById(id);
  const state = await method.fit(task, resolveOptions(method.options, options));
  return scoreRows(method, state, task, smallQueries);
}

const queries = unitRows(smallQueries);
const keys = keysOf(smallTask.support);
const { labels } = smallTask.support;
const text = smallTask.head?.weights ?? matrix(6, 32);

describe('APE', () => {
  it('is Tip-Adapter with all channels and no weighting', async () => {
    expectClose(
      await scores('ape', { channels: 1, gamma: 0, beta: 4 }),
      await scores('tip-adapter', { beta: 4 }),
    );
  });

  it('weights keys by what their class name does not explain', async () => {
    const gamma = 0.7;
    const expected = await scores('zero-shot', {});
    const affinity = productT(queries, keys);
    const logits = productT(keys, text);
    for (let m = 0; m < expected.rows; m++) {
      labels.forEach((label, i) => {
        const weight = softmax(row(logits, i))[label]! ** (-gamma / Math.LN2);
        expected.data[m * 6 + label]! += weight * Math.exp(-4 * (1 - row(affinity, m)[i]!));
      });
    }
    expectClose(await scores('ape', { channels: 1, gamma, beta: 4 }), expected, 1e-3);
  });

  it('keeps the channels in which classes differ and their names vary, for any numbers of examples', () => {
    const next = random('channels');
    const rowsOf = (n: number) => unitRows(matrix(n, 6, Float32Array.from({ length: n * 6 }, next.normal)));
    for (let round = 0; round < 50; round++) {
      const [names, rows] = [rowsOf(3), rowsOf(6)];
      const own = [[0], [1, 2], [3, 4, 5]].map((ids, c) => [row(names, c), ...ids.map((i) => row(rows, i))]);
      const relevance = Array.from({ length: 6 }, (_, k) => {
        const at = [0, 1, 2].map((c) => row(names, c)[k]!);
        const mean = (xs: number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
        const across = own.flatMap((a, i) =>
          own.slice(i + 1).flatMap((b) => a.flatMap((x) => b.map((y) => x[k]! * y[k]!))),
        );
        return mean(at.map((x) => (x - mean(at)) ** 2)) * 1.5 - mean(across);
      });
      const task = {
        ...smallTask,
        classes: 3,
        dimension: 6,
        support: plainSupport(rows, [0, 1, 1, 2, 2, 2]),
        head: { weights: names, promptFeatures: names, promptClass: Int32Array.of(0, 1, 2), logitScale: 100 },
      };
      const { data } = channelMask(task, 0.5, [1, 1]);
      expect(topK(relevance, 3).every((k) => (data as Float32Array)[k] === 1)).toBe(true);
    }
  });

  it('keeps the channels in which the class names vary', async () => {
    const method = methodById('ape');
    const state = await method.fit(smallTask, resolveOptions(method.options, { channels: 0.25 }));
    const { data } = state.mask as { data: Float32Array };
    expect(data.reduce((kept, x) => kept + x, 0)).toBe(8);
  });
});

describe('published options of a data set', () => {
  it.each([
    ['ape', 'cars', { channels: 500 / 1024, agreement: 0.6 }],
    ['ape', 'elsewhere', {}],
    ['timo', 'imagenet', { gamma: 1 }],
    ['taskres', 'flowers', { scale: 1 }],
    ['taskres', 'imagenet', { rate: 2e-4 }],
  ])('%s on %s', (id, dataset, expected) => {
    expect(methodById(id).published?.(dataset, {})).toEqual(expected);
  });

  it('are replaced by a thorough search', () => {
    expect(methodById('ape').published?.('cars', { thorough: true })).toEqual({ agreement: 0.6 });
    expect(methodById('timo').published?.('flowers', { thorough: true })).toEqual({});
  });
});

describe('Tip-X', () => {
  it('is Tip-Adapter without votes by the class names', async () => {
    expectClose(await scores('tip-x', { gamma: 0 }), await scores('tip-adapter', {}));
  });

  it('adds a vote for each example, which is smaller if its zero-shot probabilities differ more', async () => {
    const method = methodById('tip-x');
    const state = { alpha: 0, beta: 1, gamma: 2, temperature: 0.5 };
    const { slope } = atOnce(prepared(method, state, smallTask)) as { slope: number };
    const expected = await scores('zero-shot', {});
    const names = (rows: typeof keys, i: number) =>
      softmax(row(productT(selectRows(rows, [i]), text), 0), 0.5);
    for (let m = 0; m < expected.rows; m++) {
      const p = names(queries, m);
      labels.forEach((label, i) => {
        const q = names(keys, i);
        const divergence = p.reduce((sum, x, c) => sum + x * Math.log(x / q[c]!), 0);
        expected.data[m * 6 + label]! += 2 * (1 - slope * divergence);
      });
    }
    expectClose(scoreRows(method, state, smallTask, smallQueries), expected, 1e-3);
    expect(slope).toBeGreaterThan(0);
  });
});

describe('TIMO', () => {
  const THREE = Int32Array.from({ length: 18 }, (_, p) => p % 6);
  const twoPrompts = (second: typeof text): TextHead => ({
    weights: text,
    promptFeatures: matrix(12, 32, Float32Array.of(...text.data, ...second.data)),
    promptClass: Int32Array.of(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5),
    logitScale: 100,
  });

  it('keeps the text head if prompts agree, and is zero-shot without the Gaussians', async () => {
    const got = await scores('timo', { alpha: 0 }, { ...smallTask, head: twoPrompts(text) });
    expectClose(got, await scores('zero-shot', {}));
  });

  it('refuses a single prompt', () => {
    expect(() => checkNeeds(methodById('timo'), smallTask)).toThrow('several prompts');
  });

  it('takes the given number of prompts of each class as samples, the nearest first, and then the nearest again', async () => {
    const wrong = matrix(
      6,
      32,
      text.data.map((x) => -x),
    );
    const of = (options: Record<string, number>, head = twoPrompts(wrong)) =>
      scores('timo', { alpha: 1, gamma: 1000, ...options }, { ...smallTask, head });
    expectClose(await of({ promptsPerClass: 2 }), await of({}), 1e-4);
    expectClose(await of({ promptsPerClass: 1 }), await of({}, smallTask.head), 1e-2);
    const [twice, one] = [await of({ promptsPerClass: 4 }), await of({ promptsPerClass: 1 })];
    expect(twice.data).not.toEqual(one.data);
    const tripled = await of({ promptsPerClass: 3 }, smallTask.head);
    const several = { ...smallTask.head, promptFeatures: concatRows([text, text, text]), promptClass: THREE };
    expectClose(tripled, await of({}, several), 1e-3);
  });

  it('searches gamma and the number of prompts with thorough (TIMO-S)', () => {
    const task = { ...smallTask, head: twoPrompts(text) };
    const tried = methodById('timo').search!(task, { thorough: true });
    expect([...new Set(tried.map(({ promptsPerClass }) => promptsPerClass))]).toEqual([1, 2, 3, 4]);
    expect(new Set(tried.map(({ gamma }) => gamma)).size).toBe(4);
    expect(
      methodById('timo').search!(task, {}).every((options) => Object.keys(options).join() === 'alpha'),
    ).toBe(true);
  });

  it('prefers the prompts that are near the pictures', async () => {
    const wrong = matrix(
      6,
      32,
      text.data.map((x) => -x),
    );
    const sharp = await scores('timo', { alpha: 0, gamma: 1000 }, { ...smallTask, head: twoPrompts(wrong) });
    expectClose(sharp, await scores('zero-shot', {}), 1e-2);
  });
});
