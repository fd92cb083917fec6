import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { ModelError } from '../errors.ts';
import { exp, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { gemm, linear } from '../graph/products.ts';
import { logSumExp, sum } from '../graph/reduce.ts';
import { type Matrix, matrix, rowRange, scaled } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import type { Options } from '../options.ts';
import { ABSENT, first, LEAST_GAIN } from './anchored-regression.ts';
import { type InverseCurvature, inverseCurvature } from './draw-curvature.ts';
import { type Evaluation, minimise, type Objective, ROUNDING } from './lbfgs.ts';
import type { SumForm, SummaryForm } from './method.ts';
import { addSquares, addTotals, momentsShape } from './moments.ts';
import {
  type Probe,
  parametersOf,
  penaltyOf,
  probeOf,
  type probeOptions,
  probesOf,
  SCALE,
} from './probe-regression.ts';
import { withColumn } from './row-span.ts';
import { rowCount, rowCounts, type Sums } from './summary.ts';
import { keysOf, type Task } from './task.ts';

/** Numbers of the drawn rows, or of their scores if these are more: 64 MB in float32. */
const DRAWN = 2 ** 24;
/** Scores, and rows, that are computed at a time. The engine adds up so many rows in float32, and these sums are added in float64. */
const SCORES = 2 ** 21;
const ROWS = 1024;
/** Largest number of steps of a fit. */
const STEPS = 200;
/**
 * The possible decrease that may remain, as a share of the gain over equal probabilities: of the probe that only decides a temperature, and of
 * the last one.
 */
const COARSE = 1e-4;
const FINE = 1e-8;

/** The sums of log-sum-exp of the scores, and of the probabilities p x^T and p of all rows x, for the basis `weight` and `bias`. */
const losses: SumForm<Options> = {
  shapes: ({ classes, dimension }) => ({ loss: [1], byRow: [classes, dimension], shares: [classes] }),
  add: async ({ sums, basis }, { rows }, { task: { classes }, products }) => {
    const each = Math.max(1, Math.min(ROWS, Math.floor(SCORES / classes)));
    for (let from = 0; from < rows.rows; from += each) {
      const some = rowRange(rows, from, Math.min(rows.rows, from + each));
      const found = await products.run('losses', lossGraph, {
        rows: floatTensor([some.rows, some.cols], some.data),
        weight: basis.weight!,
        bias: basis.bias!,
      });
      for (const x of found.loss.data as Float32Array) sums.loss!.data[0]! += x;
      addTo(sums.byRow!.data, found.byRow);
      addTo(sums.shares!.data, found.shares);
    }
  },
};

function lossGraph() {
  const rows = input('rows', ['n', 'd']);
  const scores = linear(rows, input('weight', ['c', 'd']), input('bias', ['c']));
  const loss = logSumExp(scores);
  const each = exp(sub(scores, loss)); // [n, c]
  return { loss, byRow: gemm(each, rows, { transposeA: true }), shares: sum(each, [0]) };
}

function addTo(total: Float64Array, { data }: Tensor): void {
  for (let i = 0; i < total.length; i++) total[i]! += data[i] as number;
}

/**
 * The linear probe from rows that memory does not hold, by L-BFGS. Each evaluation reads all rows for the loss and its gradient, so the result is
 * that of all rows. A draw of the rows only saves readings: its own probe is the start, and the inverse of its curvature there takes the place of
 * the usual one. The cross-entropy of all rows is sum_i log sum_c exp(w_c x_i + b_c) - sum_c (w_c t_c + n_c b_c) with the sums t_c of the n_c
 * rows of each class.
 */
export const streamedProbe: SummaryForm<typeof probeOptions, never, Probe> = {
  shapes: momentsShape,
  async add(sums, samples, { adder }) {
    addTotals(sums, samples, adder);
    await addSquares(sums, samples, adder);
  },
  sample: ({ classes, dimension }) => Math.floor(DRAWN / Math.max(classes, dimension)),
  passes: { losses },
  async fit(sums, task, options, passes) {
    const { pass, isLast, warn } = passes!;
    const penalty = penaltyOf(options, rowCount(sums));
    const start =
      (task.start as Probe | undefined) ??
      (await first(probesOf(task, [[...task.support.labels.keys()]], [options], COARSE)));
    const begin = parametersOf(start);
    const curvature = await curvatureOf(sums, task, begin, penalty);
    try {
      const atNothing = Math.log(rowCounts(sums).reduce((all, own) => all + Number(own > 0), 0));
      const tolerance = isLast ? FINE : COARSE;
      const enough = (value: number) => tolerance * Math.min(1, Math.max(LEAST_GAIN, atNothing - value));
      const all = lossOf(sums, task, penalty, (basis) => pass('losses', basis));
      const objective: Objective = async (x) => {
        const at = await all(x);
        return { ...at, preconditioned: await curvature.times(at.gradient) };
      };
      const { x, isConverged } = await minimise(objective, begin, {
        iterations: STEPS,
        tolerance: enough,
        signal: task.signal,
      });
      if (isLast && !isConverged)
        warn(
          `The linear probe is not the one of all rows: it is not as exact as asked for after ${STEPS} steps`,
        );
      return probeOf(x, task.classes);
    } finally {
      await curvature.close();
    }
  },
};

/** The inverse curvature at parameters [c, d + 1], from the draw and the moments of all rows. */
function curvatureOf(
  sums: Sums,
  { classes, engine = interpreterEngine(), signal, support }: Task,
  begin: Float32Array,
  penalty: number,
): Promise<InverseCurvature> {
  const rows = withColumn(scaled(keysOf(support), SCALE), SCALE);
  const p = rows.cols;
  const decay = new Float32Array(p).fill(penalty);
  decay[p - 1] = 0;
  const parameters = matrix(classes, p, present(begin, rowCounts(sums)));
  return inverseCurvature(rows, { parameters, squares: meanSquares(sums, p), decay }, engine, signal);
}

/** The mean of x x^T over all rows x with the column of the biases, [p, p]. */
function meanSquares(sums: Sums, p: number): Matrix {
  const { totals, squares } = sums.sums;
  const share = SCALE ** 2 / rowCount(sums);
  const out = matrix(p, p);
  for (let i = 0; i < p - 1; i++)
    for (let j = 0; j <= i; j++)
      out.data[i * p + j] = out.data[j * p + i] = share * squares!.data[i * (p - 1) + j]!;
  const last = (p - 1) * p;
  totals!.data.forEach((x, k) => {
    out.data[last + (k % (p - 1))]! += share * x;
  });
  for (let j = 0; j < p - 1; j++) out.data[j * p + p - 1] = out.data[last + j]!;
  out.data[last + p - 1] = SCALE ** 2;
  return out;
}

/** Parameters [c, d + 1] with which classes without rows have the probability zero. */
function present(x: Float32Array, counts: ArrayLike<number>): Float32Array {
  const p = x.length / counts.length;
  const out = x.slice();
  for (let c = 0; c < counts.length; c++) if (counts[c] === 0) out[(c + 1) * p - 1] = ABSENT / SCALE;
  return out;
}

/** The loss of parameters [c, d + 1] for all rows, by one reading. */
function lossOf(
  { sums, ...counted }: Sums,
  { classes, dimension: d }: Task,
  penalty: number,
  read: (basis: Sums['basis']) => Promise<Sums>,
): (x: Float32Array) => Promise<Pick<Evaluation, 'value' | 'gradient' | 'error'>> {
  const counts = rowCounts({ sums, ...counted });
  const n = rowCount({ sums, ...counted });
  return async (x) => {
    const { weight, bias } = probeOf(present(x, counts), classes);
    const found = (await read({ weight, bias })).sums;
    let value = found.loss!.data[0]! / n;
    const gradient = new Float32Array(x.length);
    const add = (at: number, parameter: number, share: number, own: number, rate: number) => {
      value += rate * x[at]! ** 2 - (parameter * own) / n;
      gradient[at] = (SCALE * (share - own)) / n + 2 * rate * x[at]!;
    };
    for (let c = 0; c < classes; c++) {
      const at = c * (d + 1);
      for (let j = 0, k = c * d; j < d; j++, k++)
        add(at + j, weight.data[k] as number, found.byRow!.data[k]!, sums.totals!.data[k]!, penalty);
      add(at + d, bias.data[c] as number, found.shares!.data[c]!, counts[c]!, 0);
    }
    if (!Number.isFinite(value))
      throw new ModelError(`The loss of the linear probe over all rows is ${value}`, {
        code: 'method/not-finite',
        hint: 'Lower C (--c), or fit again if sums were damaged.',
      });
    // The value is a difference of larger numbers.
    return { value, gradient, error: (ROUNDING * Math.abs(found.loss!.data[0]!)) / n };
  };
}
