import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logGammaAndDigamma } from '../math/gamma.ts';
import { fromRows, type Matrix, matrix, row, selectRows } from '../math/matrix.ts';
import { plainSupport, type Task } from '../methods/task.ts';
import { type Options, resolveOptions } from '../options.ts';
import { assignment } from './assignment.ts';
import { dmn } from './dmn.ts';
import { emDirichlet } from './em-dirichlet.ts';
import { checkNames, TEST_TIME, TRANSDUCTIVE } from './index.ts';
import type { Batch, TestTimeMethod, TransductiveMethod } from './method.ts';
import { tda } from './tda.ts';
import { transClip } from './transclip.ts';
import { zlap } from './zlap.ts';

/** The problem of adaptation.py, and its answers. */
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../tests/fixtures/golden/adaptation/adaptation.json'), 'utf8'),
);
const features = fromRows(golden.features);
const text = fromRows(golden.text);
const task: Task = {
  classes: text.rows,
  dimension: text.cols,
  support: plainSupport(fromRows(golden.examples), golden.labels),
  head: {
    weights: text,
    promptFeatures: text,
    promptClass: Int32Array.from({ length: text.rows }, (_, c) => c),
    logitScale: golden.scale,
  },
  seed: 1,
};
const zeroShot = fromRows(
  (golden.features as number[][]).map((f) =>
    (golden.text as number[][]).map((t) => golden.scale * f.reduce((sum, x, j) => sum + x * t[j]!, 0)),
  ),
);
const other = fromRows(golden.other);

const together = <O extends Options>(
  method: TransductiveMethod<O>,
  given: object,
  batch: Partial<Batch> = {},
) =>
  method.probabilities(
    { task, features, logits: zeroShot, ...batch },
    resolveOptions(method.options, { ...given }),
    {},
  );

function streamed<O extends Options>(method: TestTimeMethod<O>, given: object, batch: Partial<Batch> = {}) {
  const { features: rows, logits, ...rest } = { task, features, logits: zeroShot, ...batch };
  const memory = method.start(rest.task, resolveOptions(method.options, { ...given }));
  const sizes: number[] = [];
  const answers = Array.from({ length: rows.rows }, (_, i) => {
    const answer = memory.next({ feature: row(rows, i), logits: row(logits, i) });
    sizes.push(memory.size);
    return answer;
  });
  return { answers: fromRows(answers), sizes };
}

function expectClose(got: Matrix, expected: number[][]): void {
  expect([got.rows, got.cols]).toEqual([expected.length, expected[0]!.length]);
  const worst = Math.max(...expected.flat().map((value, k) => Math.abs(value - got.data[k]!)));
  expect(worst).toBeLessThan(1e-5);
}

describe('answers agree with numpy', () => {
  it.each([
    ['transclip', transClip, {}, {}],
    ['transclip.examples', transClip, { strength: 0.5, examples: 0.02 }, {}],
    ['transclip.other', transClip, {}, { logits: other }],
    ['em-dirichlet', emDirichlet, {}, {}],
    ['em-dirichlet.few', emDirichlet, { present: 2 }, {}],
    ['em-dirichlet.unmatched', emDirichlet, { matching: false }, { logits: other }],
    ['zlap', zlap, {}, {}],
    ['zlap.other', zlap, {}, { logits: other }],
    ['zlap.far', zlap, { neighbours: 3, gamma: 2, alpha: 0.8 }, {}],
  ] as const)('%s', async (name, method, given, batch) => {
    expectClose(await together(method as TransductiveMethod, given, batch), golden[name]);
  });

  it.each([
    ['tda', tda, {}],
    ['tda.small', tda, { shots: 1, uncertain: 1 }],
    ['dmn', dmn, {}],
    ['dmn.small', dmn, { weight: 0.3, memory: 2 }],
  ] as const)('%s', (name, method, given) => {
    const { answers, sizes } = streamed(method as TestTimeMethod, given);
    expectClose(answers, golden[name]);
    expect(sizes.at(-1)).toBe(golden.sizes[name]);
  });
});

const transductive = Object.entries(TRANSDUCTIVE) as [string, TransductiveMethod][];
const testTime = Object.entries(TEST_TIME) as [string, TestTimeMethod][];

describe.each(transductive)('%s', (id, method) => {
  it('does not depend on the order of the pictures', async () => {
    const order = Array.from({ length: features.rows }, (_, i) => (7 * i + 3) % features.rows);
    const [straight, turned] = [
      await together(method, {}),
      await together(
        method,
        {},
        { features: selectRows(features, order), logits: selectRows(zeroShot, order) },
      ),
    ];
    const moved = selectRows(straight, order);
    expectClose(
      turned,
      order.map((_, i) => [...row(moved, i)]),
    );
  });

  it.each([
    ['two pictures', [0, 1]],
    ['equal pictures', [4, 4, 4, 4, 4]],
  ])('answers %s with probabilities', async (_, chosen) => {
    const batch = { features: selectRows(features, chosen), logits: selectRows(zeroShot, chosen) };
    const answers = await together(method, {}, batch);
    expect(answers.rows).toBe(chosen.length);
    for (let i = 0; i < answers.rows; i++) {
      expect(row(answers, i).every((p) => p >= 0 && p <= 1)).toBe(true);
      expect(row(answers, i).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    }
  });

  it('stops when the signal fires', async () => {
    const signal = AbortSignal.abort();
    const options = resolveOptions(method.options, {});
    await expect(
      method.probabilities({ task, features, logits: zeroShot }, options, { signal }),
    ).rejects.toMatchObject({
      code: 'interrupted',
    });
  });

  it(`${method.needs.includes('text') ? 'refuses' : 'works with'} a classifier without names`, async () => {
    const nameless = { ...task, head: undefined };
    if (method.needs.includes('text')) {
      expect(() => checkNames(method, nameless)).toThrow(/needs class names/);
    } else {
      checkNames(method, nameless);
      expect((await together(method, {}, { task: nameless })).data).toEqual(
        (await together(method, {})).data,
      );
    }
    expect(method.id).toBe(id);
  });
});

describe.each(testTime)('%s', (id, method) => {
  it('keeps a bounded number of pictures', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(features.rows - 1), { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        (chosen, room) => {
          const batch = { features: selectRows(features, chosen), logits: selectRows(zeroShot, chosen) };
          const { answers, sizes } = streamed(method, { shots: room, uncertain: room, memory: room }, batch);
          expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(task.classes * room * (id === 'tda' ? 2 : 1));
          for (let i = 0; i < answers.rows; i++)
            expect(row(answers, i).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('answers a picture by those before it only', () => {
    const first = Array.from({ length: 12 }, (_, i) => i);
    const part = streamed(
      method,
      {},
      { features: selectRows(features, first), logits: selectRows(zeroShot, first) },
    );
    const whole = streamed(method, {}).answers;
    expect([...part.answers.data]).toEqual([...whole.data.subarray(0, part.answers.data.length)]);
    expect(method.id).toBe(id);
  });
});

describe('the parts', () => {
  it('ln Gamma and digamma obey their recurrences', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (x) => {
        const [logGamma, digamma] = logGammaAndDigamma(x);
        const [next, slope] = logGammaAndDigamma(x + 1);
        expect(Math.abs(next - logGamma - Math.log(x))).toBeLessThan(
          1e-13 * (10 + Math.abs(next) + Math.abs(logGamma)),
        );
        expect(Math.abs(slope - digamma - 1 / x)).toBeLessThan(1e-12 * (1 + 1 / x));
      }),
    );
    const [half, slope] = logGammaAndDigamma(0.5);
    expect(half).toBeCloseTo(Math.log(Math.PI) / 2, 13);
    expect(slope).toBeCloseTo(-1.9635100260214235, 13);
  });

  it('an assignment is the cheapest of all', () => {
    const costs = fc.integer({ min: 1, max: 4 }).chain((rows) =>
      fc.integer({ min: rows, max: 5 }).chain((columns) =>
        fc.array(
          fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: columns, maxLength: columns }),
          {
            minLength: rows,
            maxLength: rows,
          },
        ),
      ),
    );
    const cheapest = (table: number[][], taken: ReadonlySet<number> = new Set()): number => {
      const [first, ...others] = table;
      if (!first) return 0;
      return Math.min(
        ...first.map((cost, c) =>
          taken.has(c) ? Number.POSITIVE_INFINITY : cost + cheapest(others, new Set([...taken, c])),
        ),
      );
    };
    fc.assert(
      fc.property(costs, (table) => {
        const columns = assignment(table, table[0]!.length);
        expect(new Set(columns).size).toBe(table.length);
        const cost = columns.reduce((sum, c, r) => sum + table[r]![c]!, 0);
        expect(cost).toBeCloseTo(cheapest(table), 9);
      }),
    );
  });

  it('a picture that no class reaches keeps the answer of the classifier', async () => {
    const pictures = selectRows(features, [0, 0]);
    const away = fromRows(Array(task.classes).fill(row(features, 0).map((value) => -value)));
    const logits = matrix(2, task.classes);
    const batch = { task: { ...task, head: { ...task.head!, weights: away } }, features: pictures, logits };
    const answers = await together(zlap, {}, batch);
    expect([...row(answers, 0)]).toEqual(Array(task.classes).fill(expect.closeTo(1 / task.classes, 6)));
  });
});
