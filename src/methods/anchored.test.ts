import { describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { type Matrix, matrix, productT, row, softmax } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import type { Tensor } from '../math/tensor.ts';
import { anchored } from './anchored.ts';
import { expectClose, goldenMatrix, goldenTensors, smallQueries, smallTask } from './golden.fixture.ts';
import { minimise } from './lbfgs.ts';
import { linearProbe } from './linear-probe.ts';
import { scoreRows } from './score.ts';
import { keysOf, selectExamples, type Task } from './task.ts';

/** The objective's gradient at D in plain float64, by its definition: (1/n) s sum_i (p_i - y_i) f_i + 2 lambda D. */
function gradientAt({ support, head, classes, dimension }: Task, residual: Float32Array, lambda: number) {
  const keys = keysOf(support);
  const scale = head?.logitScale ?? 100;
  const weights = matrix(
    classes,
    dimension,
    residual.map((x, i) => x + (head?.weights.data[i] ?? 0)),
  );
  const logits = productT(keys, weights);
  const gradient = Float64Array.from(residual, (x) => 2 * lambda * x);
  for (let i = 0; i < keys.rows; i++) {
    const p = softmax(row(logits, i).map((x) => x * scale));
    for (let c = 0; c < classes; c++) {
      const error = (p[c]! - (support.labels[i] === c ? 1 : 0)) / keys.rows;
      for (let j = 0; j < dimension; j++) gradient[c * dimension + j]! += scale * error * row(keys, i)[j]!;
    }
  }
  return gradient;
}

/** A task with fewer examples than dimensions. One of the examples occurs twice. */
const wideTask = {
  ...smallTask,
  support: selectExamples(smallTask.support, [...Array(18).keys(), 0]),
};

const largest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((m, x) => Math.max(m, Math.abs(x)), 0);

describe('text-anchored logistic regression', () => {
  it.each([
    ['with a text head', smallTask],
    ['without one', { ...smallTask, head: undefined }],
    ['of fewer examples than dimensions', wideTask],
    ['of fewer examples, without a text head,', { ...wideTask, head: undefined }],
  ])('%s ends where the gradient is zero', async (_, task) => {
    const { residual } = await anchored.fit(task, { strength: 0.3 });
    const data = (residual as Tensor).data as Float32Array;
    const penalty = (0.3 * new Set(task.support.labels).size) / task.support.labels.length;
    const start = largest(gradientAt(task, new Float32Array(data.length), penalty));
    expect(largest(gradientAt(task, data, penalty))).toBeLessThan(2e-3 * start);
    expect(largest(data)).toBeGreaterThan(1e-3);
  });

  it('is zero-shot if the penalty is very large', async () => {
    const { residual } = await anchored.fit(smallTask, { strength: 1e9 });
    expect(largest((residual as Tensor).data as Float32Array)).toBeLessThan(1e-6);
  });

  it('leaves a class without an example at the row of its name', async () => {
    const kept = [...smallTask.support.labels.keys()].filter((i) => smallTask.support.labels[i] !== 2);
    const task = { ...smallTask, support: selectExamples(smallTask.support, kept) };
    const { residual } = await anchored.fit(task, { strength: 0.3 });
    const rows = matrix(6, 32, (residual as Tensor).data as Float32Array);
    expect(largest(row(rows, 2))).toBe(0);
    expect(largest(row(rows, 3))).toBeGreaterThan(1e-3);
  });

  it('gives the same solution on the engine, from another start, and as one of many folds', async () => {
    const engine = createEngine();
    const alone = await anchored.fit(smallTask, { strength: 0.3 });
    const task = { ...smallTask, engine, start: { residual: alone.residual } };
    const again = await anchored.fit(task, { strength: 0.3 });
    const all = [...smallTask.support.labels.keys()];
    const candidates = [{ strength: 1 }, { strength: 0.3 }];
    const folds: { residual: Tensor }[][] = [];
    for await (const states of anchored.fitSubsets!(task, [all, all.slice(6), all], candidates))
      folds.push(states);
    await engine.close();
    const scores = (state: typeof alone) => scoreRows(anchored, state, smallTask, smallQueries);
    expectClose(scores(again), scores(alone), 0.05);
    for (const k of [0, 2]) expectClose(scores(folds[1]![k]!), scores(alone), 1);
  });
});

describe('linear probe', () => {
  it('follows the golden fixture', async () => {
    const golden = goldenTensors('trained/linear_probe');
    const state = await linearProbe.fit(smallTask, { c: 0.316 });
    const got = scoreRows(linearProbe, state, smallTask, smallQueries);
    expectClose(got, goldenMatrix(golden, 'query_logits'), 2e-4);
  });

  it('ends at a zero gradient with fewer examples than dimensions, and does not penalise biases', async () => {
    const { weight, bias } = await linearProbe.fit(wideTask, { c: 10 });
    const [w, b] = [weight.data as Float32Array, bias.data as Float32Array];
    const { labels } = wideTask.support;
    const keys = keysOf(wideTask.support);
    const logits = productT(keys, matrix(6, 32, w));
    const [byWeight, byBias] = [Float64Array.from(w), new Float64Array(6)];
    for (let i = 0; i < keys.rows; i++) {
      const p = softmax(row(logits, i).map((x, c) => x + b[c]!));
      for (let c = 0; c < 6; c++) {
        const error = 10 * (p[c]! - (labels[i] === c ? 1 : 0));
        byBias[c]! += error;
        for (let j = 0; j < 32; j++) byWeight[c * 32 + j]! += error * row(keys, i)[j]!;
      }
    }
    expect(largest(byBias)).toBeLessThan(5e-3);
    expect(largest(byWeight)).toBeLessThan(5e-3);
    expect(largest(w)).toBeGreaterThan(0.1);
  });

  it('has nearly the same solution from fitSubsets as from fit, also under a strong penalty', async () => {
    const all = [...smallTask.support.labels.keys()];
    const path = [{ c: 0.1 }, { c: 1 }];
    const coarse: Matrix[] = [];
    for await (const [state] of linearProbe.fitSubsets!(smallTask, [all], path)) {
      coarse.push(scoreRows(linearProbe, state!, smallTask, smallQueries));
    }
    for (const [i, options] of path.entries()) {
      const exact = scoreRows(
        linearProbe,
        await linearProbe.fit(smallTask, options),
        smallTask,
        smallQueries,
      );
      expectClose(coarse[i]!, exact, 0.05 * largest(exact.data));
    }
  });
});

/** Nocedal and Wright, algorithm 7.4, in float64: -H g at the last of the points. */
function directionAt(
  points: readonly { x: Float32Array; gradient: Float32Array; preconditioned: Float32Array }[],
): number[] {
  const now = points.at(-1)!;
  const product = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0);
  const steps = points.slice(1).map((after, k) => {
    const change = (name: 'x' | 'gradient' | 'preconditioned') =>
      Array.from(after[name], (v, i) => v - points[k]![name][i]!);
    return { s: change('x'), y: change('gradient'), z: change('preconditioned') };
  });
  let q = Array.from(now.gradient);
  let r = Array.from(now.preconditioned);
  const a: number[] = [];
  for (const [k, { s, y, z }] of [...steps.entries()].reverse()) {
    const share = product(s, q) / product(y, s);
    a[k] = share;
    q = q.map((v, i) => v - share * y[i]!);
    r = r.map((v, i) => v - share * z[i]!);
  }
  const { s, y, z } = steps.at(-1)!;
  r = r.map((v) => (v * product(s, y)) / product(y, z));
  for (const [k, step] of steps.entries()) {
    const share = a[k]! - product(step.y, r) / product(step.y, step.s);
    r = r.map((v, i) => v + share * step.s[i]!);
  }
  return r.map((v) => -v);
}

describe('L-BFGS', () => {
  it('finds the minimum of an ill-conditioned quadratic', async () => {
    const { normal } = random('lbfgs', 1);
    const target = Float32Array.from({ length: 30 }, normal);
    const weight = (i: number) => 10 ** (i / 15);
    const { x } = await minimise(
      async (at) => ({
        value: at.reduce((sum, v, i) => sum + 0.5 * weight(i) * (v - target[i]!) ** 2, 0),
        gradient: at.map((v, i) => weight(i) * (v - target[i]!)),
        preconditioned: at.map((v, i) => weight(i) * (v - target[i]!)),
      }),
      new Float32Array(30),
      { iterations: 200, tolerance: () => 1e-12 },
    );
    expect(largest(x.map((v, i) => v - target[i]!))).toBeLessThan(1e-4);
  });

  it('steps as the two loops of the textbook do', async () => {
    const seen: { x: Float32Array; gradient: Float32Array; preconditioned: Float32Array }[] = [];
    const weight = (i: number) => 10 ** (i / 15);
    const { evaluations, iterations } = await minimise(
      async (at) => {
        const x = at.slice();
        const gradient = x.map((v, i) => weight(i) * (v - Math.cos(i)));
        const preconditioned = gradient.map((g, i) => g / (weight(i) * (1 + 0.4 * Math.sin(i))));
        seen.push({ x, gradient: gradient.slice(), preconditioned: preconditioned.slice() });
        const value = x.reduce((sum, v, i) => sum + 0.5 * weight(i) * (v - Math.cos(i)) ** 2, 0);
        return { value, gradient, preconditioned };
      },
      new Float32Array(30),
      { iterations: 8, tolerance: () => 0 },
    );
    // Each trial was taken, so that each point is a whole step from the one before.
    expect([iterations, evaluations]).toEqual([8, 9]);
    for (let k = 1; k < 8; k++) {
      const step = directionAt(seen.slice(Math.max(0, k - 5), k + 1));
      const taken = step.map((_, i) => seen[k + 1]!.x[i]! - seen[k]!.x[i]!);
      expect(largest(taken.map((t, i) => t - step[i]!))).toBeLessThan(1e-3 * largest(step));
    }
  });

  it('stops when the signal fires', async () => {
    const signal = AbortSignal.abort();
    const never = async () => ({
      value: 0,
      gradient: Float32Array.of(1),
      preconditioned: Float32Array.of(1),
    });
    await expect(minimise(never, Float32Array.of(1), { signal })).rejects.toThrowError(/Interrupted/);
  });
});
