import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { argmax, type Matrix, matrix, row, selectRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import type { Tensor } from '../math/tensor.ts';
import { layoutCache } from './cache.ts';
import {
  expectClose,
  goldenMatrix,
  goldenNumbers,
  goldenTensors,
  smallQueries,
  smallTask,
} from './golden.fixture.ts';
import { methodById } from './index.ts';
import { createScorer, scoreRows } from './score.ts';
import { keysOf, plainSupport, type Support, selectExamples, type Task } from './task.ts';

const tensors = goldenTensors('tip_adapter/small');
const small = goldenNumbers('tip_adapter/small');
const get = (name: string): Matrix => goldenMatrix(tensors, name);
const task = smallTask;
const { labels } = task.support;
const queries = smallQueries;

const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

describe('agreement with PyTorch', () => {
  it('zero-shot', () => {
    expectClose(scoreRows(methodById('zero-shot'), {}, task, queries), get('zero_shot_logits'));
  });

  it('visual-only cache', () => {
    expectClose(
      scoreRows(methodById('visual-only'), { beta: 5.5 }, task, queries),
      get('cache_logits_beta5.5'),
    );
  });

  it.each(small.pairs as { index: number; alpha: number; beta: number; pred: number[]; correct: number }[])(
    'Tip-Adapter, alpha $alpha beta $beta: both executors',
    async ({ index, alpha, beta, pred }) => {
      const expected = get(`tip_logits_${index}`);
      const plain = scoreRows(methodById('tip-adapter'), { alpha, beta }, task, queries);
      const scorer = await createScorer(engine, methodById('tip-adapter'), { alpha, beta }, task);
      const fast = await scorer.scores(queries);
      await scorer.close();
      expectClose(plain, expected);
      expectClose(fast, expected);
      expect(Array.from({ length: plain.rows }, (_, i) => argmax(row(fast, i)))).toEqual(pred);
    },
  );

  it('nearest class mean', () => {
    const { means } = methodById('prototype').prepare({ scale: 1 }, task) as { means: Tensor };
    expectClose(matrix(6, 32, means.data as Float32Array), get('prototypes'));
  });
});

describe('the cache', () => {
  const scores = (support: Support, method = 'tip-adapter') =>
    scoreRows(methodById(method), { alpha: 2, beta: 3 }, { ...task, support }, queries);

  it('accepts any number of examples of a class, also none', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 47 }), { minLength: 1 }), (chosen) => {
        const support = plainSupport(
          selectRows(task.support.features, chosen),
          Int32Array.from(chosen, (i) => labels[i]!),
        );
        const got = scores(support, 'visual-only');
        const expected = matrix(queries.rows, 6);
        const affinity = get('affinity');
        for (let m = 0; m < queries.rows; m++) {
          for (const i of chosen)
            expected.data[m * 6 + labels[i]!]! += Math.exp(-3 * (1 - row(affinity, m)[i]!));
        }
        expectClose(got, expected);
      }),
      { numRuns: 25 },
    );
  });

  it('does not depend on the order of the examples', () => {
    const order = random('order').shuffle([...labels.keys()]);
    const shuffled = plainSupport(
      selectRows(task.support.features, order),
      Int32Array.from(order, (i) => labels[i]!),
    );
    expectClose(scores(shuffled), scores(task.support));
  });

  it('lays every example out once, in a block of its class', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }), (classes) => {
        const { order, size, blocks, classOfBlock } = layoutCache(classes, 5);
        expect(order.length).toBe(size * blocks);
        expect([...order].filter((i) => i >= 0).sort((a, b) => a - b)).toEqual([...classes.keys()]);
        order.forEach((example, place) => {
          const block = Math.floor(place / size);
          if (example >= 0) expect(classes[example]).toBe(classOfBlock ? classOfBlock[block] : block);
        });
      }),
    );
  });

  it('averages the augmented views of an example, and keeps the plain one for queries', () => {
    const [a, b, plain] = [
      [1, 0],
      [0, 2],
      [5, 5],
    ];
    const support: Support = {
      features: matrix(3, 2, Float32Array.from([...plain, ...a, ...b])),
      example: Int32Array.of(0, 0, 0),
      view: Int32Array.of(0, 1, 2),
      labels: Int32Array.of(0),
      groups: Int32Array.of(0),
    };
    const half = Math.fround(Math.SQRT1_2);
    expect([...keysOf(support).data]).toEqual([expect.closeTo(half, 6), expect.closeTo(half, 6)]);
    const published = keysOf(selectExamples({ ...support, averagesEmbeddings: true }, [0]));
    expect([...published.data]).toEqual([
      expect.closeTo(1 / Math.sqrt(5), 6),
      expect.closeTo(2 / Math.sqrt(5), 6),
    ]);
  });

  it("has votes that add up to the cache's term, class by class", async () => {
    const scorer = await createScorer(engine, methodById('tip-adapter'), { alpha: 2, beta: 3 }, task);
    const { cache, votes } = await scorer.termsAndVotes(queries);
    const sums = matrix(queries.rows, 6);
    for (let m = 0; m < queries.rows; m++) {
      row(votes!, m).forEach((vote, example) => {
        sums.data[m * 6 + labels[example]!]! += vote;
      });
    }
    expectClose(sums, cache!);
  });
});

describe('refusals', () => {
  it('name the nearest method', () => {
    expect(() => methodById('tip-adaptr')).toThrow(/no method "tip-adaptr"/);
  });

  it('of tasks that lack what the method needs, or do not fit', () => {
    const score = (changed: Partial<Task>) =>
      scoreRows(methodById('tip-adapter'), { alpha: 1, beta: 1 }, { ...task, ...changed }, queries);
    expect(() => score({ head: undefined })).toThrow(/needs a text head/);
    expect(() => score({ classes: 1 })).toThrow();
    expect(() => score({ classes: 5 })).toThrow(/label 5/);
    expect(() => score({ dimension: 31 })).toThrow(/32 columns/);
    expect(() => plainSupport(matrix(1, 2, Float32Array.of(1, Number.NaN)), [0])).toThrow(/Row 0.*NaN/);
    expect(() => plainSupport(matrix(1, 2), [0, 1])).toThrow(
      /1 row of features and 2 labels do not fit together/,
    );
  });
});
