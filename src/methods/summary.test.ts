import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax, matrix, row } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import type { Tensor } from '../math/tensor.ts';
import { type Options, resolveOptions, type ValuesOf } from '../options.ts';
import { encodeSealed } from '../store/content-hash.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';
import { expectClose, smallQueries, smallTask } from './golden.fixture.ts';
import { methodById } from './index.ts';
import { mergeSummaries } from './merge-summaries.ts';
import type { State } from './method.ts';
import { scoreRows } from './score.ts';
import { fitSummary, summarise } from './summarise.ts';
import { rowCount, type Summary } from './summary.ts';
import { decodeSummary, encodeSummary } from './summary-file.ts';
import { plainSupport, selectExamples, type Task } from './task.ts';

const noise = random('summary');
const [CLASSES, WIDTH, ROWS] = [5, 24, 120];
/** Rows around a mean for each class; the last class has none. */
const support = (() => {
  const labels = Int32Array.from({ length: ROWS }, () => noise.integer(CLASSES - 1));
  const features = matrix(ROWS, WIDTH);
  labels.forEach((label, i) => {
    row(features, i).forEach((_, j) => {
      row(features, i)[j] = Math.sin(3 * label + j) + 0.6 * noise.normal();
    });
  });
  return plainSupport(features, labels);
})();
const task: Task = { ...smallTask, head: undefined, classes: CLASSES, dimension: WIDTH, support };
/** The origin of a task's rows. */
const known = ({ classes }: Task) => ({
  encoder: 'made up',
  classes: Array.from({ length: classes }, (_, c) => `class ${c}`),
});
const without = (support: Task['support']) => ({ ...task, support: selectExamples(support, []) });

/** The largest difference of two states, relative to the largest number of each tensor. */
function difference(a: State, b: State): number {
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  return Math.max(
    ...Object.entries(a).map(([name, value]) => {
      if (typeof value === 'number') return Math.abs(value - (b[name] as number));
      const [x, y] = [value.data as Float32Array, (b[name] as Tensor).data as Float32Array];
      const largest = x.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      return x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0) / largest;
    }),
  );
}

/** The summaries of the parts, merged in a random order of pairs. */
async function merged(
  id: string,
  parts: readonly (readonly number[])[],
  picks: readonly number[],
): Promise<Summary> {
  const method = methodById(id);
  const options = resolveOptions(method.options, {});
  const summaries: Summary[] = [];
  for (const part of parts)
    summaries.push(
      await summarise(method, { ...task, support: selectExamples(support, part) }, options, known(task)),
    );
  for (let k = 0; summaries.length > 1; k++) {
    const [a] = summaries.splice((picks[k] ?? 0) % summaries.length, 1);
    const at = (picks[k + 1] ?? 0) % summaries.length;
    summaries[at] = mergeSummaries(a!, summaries[at]!);
  }
  return summaries[0]!;
}

/** A random division of the rows into parts, and a random order of merging. */
const divisions = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 6 }), { minLength: ROWS, maxLength: ROWS }),
    fc.array(fc.nat(100), { minLength: 8, maxLength: 8 }),
  )
  .map(([part, picks]) => ({
    parts: [0, 1, 2, 3, 4, 5, 6].map((own) => part.flatMap((k, i) => (k === own ? [i] : []))),
    picks,
  }));

describe('a summary', () => {
  it.each(['prototype', 'gda', 'ridge'])(
    '%s: of merged parts, in any division and order, gives the state of all rows at once to 1e-6',
    async (id) => {
      const method = methodById(id);
      const options = resolveOptions(method.options, {});
      const whole = await fitSummary(
        method,
        await summarise(method, task, options, known(task)),
        without(support),
        options,
      );
      await fc.assert(
        fc.asyncProperty(divisions, async ({ parts, picks }) => {
          const summary = await merged(id, parts, picks);
          expect(rowCount(summary)).toBe(ROWS);
          expect(
            difference(await fitSummary(method, summary, without(support), options), whole),
          ).toBeLessThan(1e-6);
        }),
        { numRuns: 12 },
      );
    },
  );

  it.each([
    { id: 'gda', given: {} },
    { id: 'gda', given: { shrinkage: 0.05 } },
    { id: 'gda', given: { shrinkage: 'oas' } },
    { id: 'ridge', given: {} },
  ])('$id $given: gives the state of the examples themselves', async ({ id, given }) => {
    const method = methodById(id);
    const options = resolveOptions(method.options, given);
    const own = await method.fit(task, options);
    const summary = await summarise(method, task, options, known(task));
    expect(difference(own, await fitSummary(method, summary, without(support), options))).toBeLessThan(1e-6);
  });

  it('proker-random-features: merged parts score as all rows at once to 1e-6, and many frequencies as the exact kernel', async () => {
    const method = methodById('proker-random-features');
    const own = { ...smallTask, engine: undefined };
    const empty = { ...own, support: selectExamples(own.support, []) };
    const all = [...own.support.labels.keys()];
    const summaryOf = (numbers: readonly number[], options: ValuesOf<Options>) =>
      summarise(method, { ...own, support: selectExamples(own.support, numbers) }, options, known(own));
    const scores = async (summary: Summary, options: ValuesOf<Options>) =>
      scoreRows(method, await fitSummary(method, summary, empty, options), empty, smallQueries).data;
    const few = resolveOptions(method.options, { frequencies: 64, beta: 2, lambda: 0.1 });
    const whole = await scores(await summaryOf(all, few), few);
    const [a, b, c] = await Promise.all(
      [0, 1, 2].map((part) =>
        summaryOf(
          all.filter((i) => i % 3 === part),
          few,
        ),
      ),
    );
    const largest = Math.max(...whole.map(Math.abs));
    for (const merged of [
      mergeSummaries(mergeSummaries(a!, b!), c!),
      mergeSummaries(c!, mergeSummaries(b!, a!)),
    ]) {
      const found = await scores(merged, few);
      expect(Math.max(...found.map((x, i) => Math.abs(x - whole[i]!))) / largest).toBeLessThan(1e-6);
    }
    // The examples in memory are learnt from in the same way.
    const state = await method.fit(own, few);
    const inMemory = scoreRows(method, state, own, smallQueries).data;
    expect(Math.max(...inMemory.map((x, i) => Math.abs(x - whole[i]!))) / largest).toBeLessThan(1e-6);
    // The error falls as one over the root of the number of frequencies.
    const proker = methodById('proker');
    const exact = scoreRows(
      proker,
      await proker.fit(own, resolveOptions(proker.options, { beta: 2, lambda: 0.1 })),
      own,
      smallQueries,
    ).data;
    const errorOf = async (frequencies: number) => {
      const options = resolveOptions(method.options, { frequencies, beta: 2, lambda: 0.1 });
      const found = await scores(await summaryOf(all, options), options);
      return Math.max(...found.map((x, i) => Math.abs(x - exact[i]!))) / largest;
    };
    const [coarse, fine] = [await errorOf(32), await errorOf(2048)];
    expect(fine).toBeLessThan(0.02);
    expect(fine).toBeLessThan(coarse / 2);
  });

  it('proker-random-features: sums with other frequencies of the kernel are neither merged nor learnt from', async () => {
    const method = methodById('proker-random-features');
    const made = (given: object) => {
      const options = resolveOptions(method.options, { frequencies: 8, ...given });
      return summarise(method, smallTask, options, known(smallTask));
    };
    const summary = await made({ beta: 1 });
    expect(decodeSummary(encodeSummary(summary)).origin.options).toBe('beta 1, frequencies 8');
    expect(() => mergeSummaries(summary, summary)).not.toThrow();
    const why = 'the sums of one were made with beta 1, frequencies 8, and those of the other with beta 50';
    const other = await made({ beta: 50 });
    expect(() => mergeSummaries(summary, other)).toThrow(
      expect.objectContaining({ code: 'summary/unlike', message: expect.stringContaining(why) }),
    );
    const empty = { ...smallTask, support: selectExamples(smallTask.support, []) };
    const learn = (given: object) =>
      fitSummary(
        method,
        summary,
        empty,
        resolveOptions(method.options, { frequencies: 8, beta: 1, ...given }),
      );
    await expect(learn({ beta: 50 })).rejects.toMatchObject({
      code: 'summary/task',
      message: expect.stringContaining(
        'its sums were made with beta 1, frequencies 8, and the options are beta 50, frequencies 8',
      ),
    });
    await expect(learn({ lambda: 3 })).resolves.toHaveProperty('weights');
  });

  it('proker-random-features: gives in a search the states of separate fits, without their errors', async () => {
    const method = methodById('proker-random-features');
    const candidates = [{ lambda: 0.1 }, { lambda: 3 }, { beta: 4 }].map((given) =>
      resolveOptions(method.options, { frequencies: 16, ...given }),
    );
    const all = [...smallTask.support.labels.keys()];
    const halves = [0, 1].map((part) => all.filter((i) => i % 2 === part));
    const states: State[][] = [];
    for await (const each of method.fitSubsets!(smallTask, halves, candidates)) states.push(each);
    for (const [i, options] of candidates.entries()) {
      for (const [k, half] of halves.entries()) {
        const own = { ...smallTask, support: selectExamples(smallTask.support, half) };
        const { judges, ...state } = await method.fit(own, options);
        expect(judges).toBeGreaterThan(0);
        expect(states[i]![k]).toEqual({ ...state, error: 0, agreement: 1, judges: 0, compared: 0 });
      }
    }
  });

  it('prototype: scores without examples as with them', async () => {
    const method = methodById('prototype');
    const options = resolveOptions(method.options, {});
    const state = await fitSummary(
      method,
      await summarise(method, smallTask, options, known(smallTask)),
      { ...smallTask, support: selectExamples(smallTask.support, []) },
      options,
    );
    const empty = { ...smallTask, support: selectExamples(smallTask.support, []) };
    expectClose(
      scoreRows(method, state, empty, smallQueries),
      scoreRows(method, { scale: 100 }, smallTask, smallQueries),
    );
  });

  it('is not merged with one of another method, encoder, classes, sums or basis', async () => {
    const summaryOf = async (id: string, own = task, more = {}) => {
      const method = methodById(id);
      return summarise(method, own, resolveOptions(method.options, {}), { ...known(own), ...more });
    };
    const moments = await summaryOf('gda');
    const { classes } = moments.origin;
    const [first, second, ...rest] = classes;
    const fewer = matrix(1, WIDTH - 1, new Float32Array(WIDTH - 1).fill(1));
    for (const [other, why] of [
      [await summaryOf('ridge'), 'one is of the method gda, and the other of ridge'],
      [
        await summaryOf('gda', task, { encoder: 'another' }),
        'one is of features of the encoder made up, and the other of another',
      ],
      [
        await summaryOf('gda', task, { classes: [second, first, ...rest] }),
        'class 0 is "class 0" in one, and "class 1" in the other',
      ],
      [await summaryOf('gda', { ...task, classes: 6 }), 'one is of 5 classes, and the other of 6'],
      [
        await summaryOf('gda', { ...task, dimension: WIDTH - 1, support: plainSupport(fewer, [0]) }),
        'they have different sums',
      ],
      [
        { ...moments, basis: { centres: { dtype: 'float32', shape: [1], data: Float32Array.of(1) } } },
        'compared with different rows',
      ],
    ] as [Summary, string][]) {
      expect(() => mergeSummaries(moments, other)).toThrow(
        expect.objectContaining({ code: 'summary/unlike', message: expect.stringContaining(why) }),
      );
    }
    expect(mergeSummaries(moments, await summaryOf('gda')).origin).toEqual(moments.origin);
  });

  it.each(['prototype', 'gda', 'ridge'])(
    '%s: does not fit a task of other classes or dimensions, or another method',
    async (id) => {
      const method = methodById(id);
      const options = resolveOptions(method.options, {});
      const summary = await summarise(method, task, options, known(task));
      const empty = without(support);
      const narrow = { ...empty, dimension: WIDTH - 1, support: plainSupport(matrix(0, WIDTH - 1), []) };
      const other = { ...summary, origin: { ...summary.origin, method: 'tip-adapter-sketch' } };
      for (const [own, wanted, why] of [
        [summary, { ...empty, classes: CLASSES - 1 }, 'it is of 5 classes, and the task has 4'],
        [summary, narrow, 'its totals are [5, 24], and the task needs [5, 23]'],
        [{ ...summary, sums: { counts: summary.sums.counts! } }, empty, 'its totals are [missing]'],
        [await summarise(method, empty, options, known(task)), empty, 'it is of no rows'],
        [other, empty, 'it is of the method tip-adapter-sketch'],
      ] as [Summary, Task, string][])
        await expect(fitSummary(method, own, wanted, options)).rejects.toMatchObject({
          code: 'summary/task',
          message: expect.stringContaining(why),
        });
      await expect(
        summarise(method, task, options, { encoder: 'made up', classes: ['one'] }),
      ).rejects.toMatchObject({ code: 'summary/task' });
    },
  );

  it('is read from its bytes, and other files are refused', async () => {
    const method = methodById('gda');
    const summary = await summarise(method, task, resolveOptions(method.options, {}), known(task));
    const basis = { centres: { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } } as const;
    const bytes = encodeSummary({ ...summary, basis });
    expect(decodeSummary(bytes)).toEqual({ ...summary, basis });
    const { tensors, metadata: sealed } = parseSafetensors(bytes);
    const { sha256: _, ...metadata } = sealed;
    const negative = {
      dtype: 'float64',
      shape: [CLASSES],
      data: new Float64Array(CLASSES).fill(-1),
    } as const;
    const counts = { dtype: 'float64', shape: [1], data: Float64Array.of(Number.NaN) } as const;
    for (const [altered, facts] of [
      [{ ...Object.fromEntries(tensors), 'summary.sums.counts': counts }, metadata],
      [{ ...Object.fromEntries(tensors), 'summary.sums.counts': negative }, metadata],
      [{ 'summary.sums.totals': counts }, metadata],
      [{ weights: counts }, metadata],
      [Object.fromEntries(tensors), {}],
      [Object.fromEntries(tensors), { format: metadata.format! }],
      [
        Object.fromEntries(tensors),
        { ...metadata, origin: JSON.stringify({ ...summary.origin, classes: ['one'] }) },
      ],
    ] as const)
      expect(() => decodeSummary(encodeSealed(altered, facts), 'part')).toThrow(
        'part does not hold a summary',
      );
    const unsealed = encodeSafetensors(tensors, metadata);
    expect(() => decodeSummary(unsealed, 'part')).toThrow(
      expect.objectContaining({ code: 'summary/file', message: expect.stringMatching(/^part .*checksum/) }),
    );
  });

  it('is refused if a bit of its bytes is flipped', async () => {
    const method = methodById('gda');
    const summary = await summarise(method, task, resolveOptions(method.options, {}), known(task));
    const bytes = encodeSummary(summary);
    for (let at = 0; at < bytes.length; at += at < 2048 ? 1 : 61) {
      bytes[at]! ^= 1 << (at % 8);
      expect(() => decodeSummary(bytes, 'part'), `byte ${at}`).toThrow(/^part /);
      bytes[at]! ^= 1 << (at % 8);
    }
    expect(decodeSummary(bytes)).toEqual(summary);
  });

  it('is refused by methods and options that need the examples', async () => {
    const refused = (id: string, given = {}) => {
      const method = methodById(id);
      return summarise(method, task, resolveOptions(method.options, given), known(task));
    };
    await expect(refused('tip-adapter')).rejects.toMatchObject({ code: 'method/summary' });
    for (const given of [{ shrinkage: 'ledoit-wolf' }, { synthesis: true }])
      await expect(refused('gda', given)).rejects.toMatchObject({ code: 'method/summary-option' });
  });
});

describe('ridge', () => {
  it('gives in a search the states of separate fits', async () => {
    const ridge = methodById('ridge');
    const candidates = [{ lambda: 0.1 }, { lambda: 3 }];
    const half = [...support.labels.keys()].filter((i) => i % 2 === 0);
    const states: State[][] = [];
    for await (const each of ridge.fitSubsets!(task, [half], candidates)) states.push(each);
    const own = { ...task, support: selectExamples(support, half) };
    expect(states).toEqual([[await ridge.fit(own, candidates[0]!)], [await ridge.fit(own, candidates[1]!)]]);
  });

  it('solves its equations', async () => {
    const { weights } = (await methodById('ridge').fit(task, { lambda: 0.5 })) as { weights: Tensor };
    // The gradient of |Y - X A|^2 + lambda n / d |A|^2 is zero.
    const rows = Array.from({ length: ROWS }, (_, i) => {
      const own = row(support.features, i);
      const length = Math.hypot(...own);
      return own.map((x) => x / length);
    });
    for (let c = 0; c < CLASSES; c++) {
      const a = (weights.data as Float32Array).subarray(c * WIDTH, (c + 1) * WIDTH);
      const gradient = new Float64Array(WIDTH).map((_, j) => ((0.5 * ROWS) / WIDTH) * a[j]!);
      rows.forEach((x, i) => {
        const residual = x.reduce((sum, v, j) => sum + v * a[j]!, 0) - Number(support.labels[i] === c);
        x.forEach((v, j) => {
          gradient[j]! += residual * v;
        });
      });
      expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-4);
    }
  });
});

describe('the sketch of Tip-Adapter', () => {
  const sketch = methodById('tip-adapter-sketch');
  const exact = methodById('tip-adapter');
  const fitted = async (given: Record<string, unknown>) =>
    scoreRows(
      sketch,
      await sketch.fit(smallTask, resolveOptions(sketch.options, given)),
      smallTask,
      smallQueries,
    );

  it('with a cluster for each example is Tip-Adapter', async () => {
    expectClose(
      await fitted({ landmarks: 8, beta: 3, alpha: 2 }),
      scoreRows(exact, { alpha: 2, beta: 3 }, smallTask, smallQueries),
      1e-3,
    );
  });

  it('is nearer to Tip-Adapter with more clusters, and measures the error on left-out examples', async () => {
    const errors = [];
    for (const landmarks of [1, 4]) {
      const state = await sketch.fit(smallTask, resolveOptions(sketch.options, { landmarks }));
      expect(state.judges).toBeGreaterThan(0);
      errors.push(state.error as number);
    }
    expect(errors[1]!).toBeLessThan(errors[0]!);
    const [own, whole] = [
      await fitted({ landmarks: 4 }),
      scoreRows(exact, { alpha: 1, beta: 5.5 }, smallTask, smallQueries),
    ];
    const same = Array.from({ length: own.rows }, (_, i) => argmax(row(own, i)) === argmax(row(whole, i)));
    expect(same.filter(Boolean).length / same.length).toBeGreaterThan(0.9);
  });

  it('gives in a search the states of separate fits', async () => {
    const half = [...smallTask.support.labels.keys()].filter((i) => i % 2 === 0);
    const candidates = [
      { beta: 1, alpha: 2 },
      { beta: 4, alpha: 1 },
      { beta: 4, landmarks: 2 },
    ].map((given) => resolveOptions(sketch.options, given));
    const states: State[][] = [];
    for await (const each of sketch.fitSubsets!(smallTask, [half], candidates)) states.push(each);
    const support = selectExamples(smallTask.support, half);
    for (const [i, options] of candidates.entries()) {
      const { error, agreement, judges, ...own } = await sketch.fit({ ...smallTask, support }, options);
      expect(judges).toBeGreaterThan(0);
      expect(states[i]).toEqual([{ ...own, error: 0, agreement: 1, judges: 0 }]);
    }
  });

  it('sums up parts with the basis of the first one', async () => {
    const options = resolveOptions(sketch.options, { landmarks: 2 });
    const part = (remainder: number) => ({
      ...smallTask,
      support: selectExamples(
        smallTask.support,
        [...smallTask.support.labels.keys()].filter((i) => i % 2 === remainder),
      ),
    });
    const first = await summarise(sketch, part(0), options, known(smallTask));
    const more = { ...known(smallTask), basis: first.basis };
    const second = await summarise(sketch, part(1), options, more);
    const whole = await summarise(sketch, smallTask, options, more);
    const empty = { ...smallTask, support: selectExamples(smallTask.support, []) };
    const [merged, own] = [
      await fitSummary(sketch, mergeSummaries(first, second), empty, options),
      await fitSummary(sketch, whole, empty, options),
    ];
    expect((merged.keys as Tensor).data).toEqual((own.keys as Tensor).data);
    expectClose(
      scoreRows(sketch, merged, empty, smallQueries),
      scoreRows(sketch, own, empty, smallQueries),
      1e-5,
    );
    const wrong = { centres: { dtype: 'float32', shape: [1], data: Float32Array.of(1) } } as const;
    for (const basis of [wrong, {}])
      await expect(
        summarise(sketch, smallTask, options, { ...known(smallTask), basis }),
      ).rejects.toMatchObject({ code: 'summary/task', message: expect.stringContaining('its centres are') });
  });

  it('is refused where single examples decide', async () => {
    await expect(fitted({ beta: 20 })).rejects.toMatchObject({ code: 'method/sketch' });
  });
});
