import { describe, expect, it } from 'vitest';
import { cholesky, choleskySolve } from '../linalg/cholesky.ts';
import { matrix, row, selectRows, softmax, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { linearProbe } from './linear-probe.ts';
import type { Passes } from './method.ts';
import { fitSummary } from './summarise.ts';
import { summariseWith } from './summariser.ts';
import { plainSupport, type Task } from './task.ts';

/** Rows around the centres of ten classes, which overlap, and an eleventh class without a row. */
const COUNT = 1000;
const CLASSES = 11;
const D = 8;
const { normal } = random('streamed');
const LABELS = Int32Array.from({ length: COUNT }, (_, i) => (7 * i) % (CLASSES - 1));
const centres = Float64Array.from({ length: CLASSES * D }, () => 0.6 * normal());
const rows = unitRows(
  matrix(
    COUNT,
    D,
    Float32Array.from(
      { length: COUNT * D },
      (_, at) => centres[LABELS[Math.floor(at / D)]! * D + (at % D)]! + normal(),
    ),
  ),
);
const ids = [...Array(CLASSES).keys()].map(String);
const all: Task = { classes: CLASSES, dimension: D, support: plainSupport(rows, LABELS), seed: 1 };
const origin = { method: linearProbe.id, encoder: 'made up', classes: ids, options: '' };
const form = linearProbe.summary!;
const samples = { rows, labels: LABELS };
type State = Awaited<ReturnType<typeof fitSummary>>;

/** The probe from all rows, for which only the given ones are in memory, and the number of readings. */
async function streamed(drawn: readonly number[], c: number, given: Partial<Task & Passes> = {}) {
  const options = { c };
  let readings = 0;
  const passes: Passes = {
    isLast: true,
    warn: (message) => expect.fail(message),
    pass: (name, basis) => {
      readings++;
      return summariseWith(form.passes![name]!, samples, { task: all, options, basis }, {});
    },
    ...given,
  };
  const sums = await summariseWith(form, samples, { task: all, options }, {});
  const labels = drawn.map((i) => LABELS[i]!);
  const task = { ...all, ...given, support: plainSupport(selectRows(rows, [...drawn]), labels) };
  const state = await fitSummary(linearProbe, { origin, ...sums }, task, options, passes);
  return { state, readings };
}

/** Weights and biases of the classes with rows, [10, d + 1], in float64. The mean of the biases, which changes no probability, is zero. */
function numbersOf(state: State): Float64Array {
  const [weight, bias] = [state.weight as Tensor, state.bias as Tensor];
  const present = CLASSES - 1;
  const mean = (bias.data as Float32Array).subarray(0, present).reduce((a, b) => a + b, 0) / present;
  return Float64Array.from({ length: present * (D + 1) }, (_, at) => {
    const [k, j] = [Math.floor(at / (D + 1)), at % (D + 1)];
    return j < D ? (weight.data[k * D + j] as number) : (bias.data[k] as number) - mean;
  });
}

/** The mean loss of all rows and Newton's step, in float64. */
function newton(x: Float64Array, c: number, withStep = true): { loss: number; step: Float64Array } {
  const [k, p, n] = [CLASSES - 1, D + 1, x.length];
  let loss = 0;
  const gradient = new Float64Array(n);
  const curvature = new Float64Array(n * n);
  for (let at = 0; at < n; at++) {
    const rate = at % p < D ? 1 / c : 0;
    loss += (rate * x[at]! ** 2) / 2;
    gradient[at] = rate * x[at]!;
    // The ridge of the biases is for their mean alone, which has no curvature.
    curvature[at * (n + 1)] = rate || 1e-6;
  }
  for (let i = 0; i < COUNT; i++) {
    const one = [...row(rows, i), 1];
    const scores = Array.from({ length: k }, (_, a) => one.reduce((sum, v, j) => sum + v * x[a * p + j]!, 0));
    const own = scores[LABELS[i]!]!;
    loss += Math.log(scores.reduce((sum, z) => sum + Math.exp(z - own), 0));
    if (!withStep) continue;
    const q = softmax(scores);
    for (let a = 0; a < k; a++) {
      const rest = q[a]! - Number(a === LABELS[i]);
      for (let j = 0; j < p; j++) gradient[a * p + j]! += rest * one[j]!;
      for (let b = 0; b <= a; b++) {
        const each = q[a]! * (Number(a === b) - q[b]!);
        for (let j = 0; j < p; j++)
          for (let l = 0; l < p; l++) curvature[(a * p + j) * n + b * p + l]! += each * one[j]! * one[l]!;
      }
    }
  }
  return { loss: loss / COUNT, step: withStep ? choleskySolve(cholesky(curvature, n), n, gradient, 1) : x };
}

/** The probe of all rows in memory, brought to the minimum by steps in float64. */
const exact = new Map<number, Float64Array>();
async function minimum(c: number): Promise<Float64Array> {
  const known = exact.get(c);
  if (known) return known;
  const x = numbersOf(await linearProbe.fit(all, { c }));
  for (let last = 1; last > 1e-9; ) {
    const { step } = newton(x, c);
    for (let at = 0; at < x.length; at++) x[at]! -= step[at]!;
    last = Math.max(...step.map(Math.abs));
  }
  exact.set(c, x);
  return x;
}

/** The largest difference from the minimum, as a share of the largest number, and the loss above the minimum. */
async function difference(state: State, c: number): Promise<{ weights: number; loss: number }> {
  const [own, best] = [numbersOf(state), await minimum(c)];
  return {
    weights: Math.max(...own.map((x, i) => Math.abs(x - best[i]!))) / Math.max(...best.map(Math.abs)),
    loss: newton(own, c, false).loss - newton(best, c, false).loss,
  };
}

const first = (n: number) => [...Array(n).keys()];
const withoutClass = (lost: number) => first(100).filter((i) => LABELS[i] !== lost);

describe('a linear probe from rows that memory does not hold', () => {
  it.each([
    { what: 'all rows are drawn', drawn: first(COUNT), c: 10, most: 7 },
    { what: 'half of them are drawn', drawn: first(500), c: 10, most: 15 },
    { what: '10% are drawn', drawn: first(100), c: 10, most: 30 },
    { what: '10% are drawn, and C is large', drawn: first(100), c: 100, most: 40 },
    { what: '3% are drawn', drawn: first(30), c: 10, most: 40 },
    { what: '3% are drawn, and C is large', drawn: first(30), c: 100, most: 50 },
    { what: 'two rows of a class are drawn', drawn: first(20), c: 10, most: 45 },
    { what: 'the penalty is strong', drawn: first(30), c: 0.01, most: 10 },
    { what: 'a class is not drawn', drawn: withoutClass(2), c: 3, most: 30 },
  ])('is that of all rows in float64 if $what, after at most $most readings', async ({ drawn, c, most }) => {
    const { state, readings } = await streamed(drawn, c);
    const { weights, loss } = await difference(state, c);
    expect(weights).toBeLessThan(2e-3);
    expect(loss).toBeLessThan(5e-8);
    expect(readings).toBeLessThanOrEqual(most);
  });

  it('starts from a state, and is the same each time', async () => {
    const one = await streamed(first(100), 10);
    const again = await streamed(first(100), 10);
    expect(again).toEqual(one);
    expect((await streamed(first(100), 10, { start: one.state })).readings).toBeLessThan(4);
  });

  it('can be cancelled between readings, and says if it ends too early', async () => {
    const stop = new AbortController();
    const pass: Passes['pass'] = (name, basis) => {
      stop.abort();
      return summariseWith(form.passes![name]!, samples, { task: all, options: { c: 1 }, basis }, {});
    };
    await expect(streamed(first(100), 1, { pass, signal: stop.signal })).rejects.toMatchObject({
      name: 'InterruptedError',
    });
    const told: string[] = [];
    // These losses get larger with every reading.
    let worse = 0;
    const rising: Passes['pass'] = async (name, basis) => {
      const sums = await summariseWith(
        form.passes![name]!,
        samples,
        { task: all, options: { c: 1 }, basis },
        {},
      );
      sums.sums.loss!.data[0]! += 1e4 * worse++;
      return sums;
    };
    const given = { pass: rising, warn: (message: string) => told.push(message) };
    // A fit that only decides a temperature goes on as the start of the last one.
    await streamed(first(100), 1, { ...given, isLast: false });
    expect(told).toEqual([]);
    await streamed(first(100), 1, given);
    expect(told).toEqual([expect.stringContaining('is not the one of all rows')]);
  });

  it('adds up many rows in float64', async () => {
    const many = {
      rows: matrix(40_000, 1, new Float32Array(40_000).fill(1)),
      labels: new Int32Array(40_000),
    };
    const basis = {
      weight: floatTensor([2, 1], Float32Array.of(1, 0)),
      bias: floatTensor([2], new Float32Array(2)),
    };
    const task = { classes: 2, dimension: 1 };
    const { sums } = await summariseWith(form.passes!.losses!, many, { task, options: { c: 1 }, basis }, {});
    expect(Math.abs(sums.shares!.data[0]! - 40_000 / (1 + Math.exp(-1)))).toBeLessThan(0.1);
  });

  it('is refused if a loss is no number', async () => {
    const damaged: Passes['pass'] = async (name, basis) => {
      const task = { task: all, options: { c: 1 }, basis };
      const sums = await summariseWith(form.passes![name]!, samples, task, {});
      sums.sums.loss!.data[0] = Number.NaN;
      return sums;
    };
    await expect(streamed(first(100), 1, { pass: damaged })).rejects.toMatchObject({
      code: 'method/not-finite',
    });
  });

  it('cannot be learnt from sums alone', async () => {
    const sums = await summariseWith(form, samples, { task: all, options: { c: 1 } }, {});
    await expect(fitSummary(linearProbe, { origin, ...sums }, all, { c: 1 })).rejects.toMatchObject({
      code: 'summary/task',
    });
  });
});
