import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { exp, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { gemm, linear } from '../graph/products.ts';
import { logSumExp, sum } from '../graph/reduce.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { lowerRows, solvePositive } from '../linalg/solve.ts';
import { dot, identity, type Matrix, rowRange, scaled } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import type { Options } from '../options.ts';
import { ABSENT, first, LEAST_GAIN, problemOf, usualCurvature } from './anchored-regression.ts';
import { minimise, type Objective } from './lbfgs.ts';
import type { SumForm, SummaryForm } from './method.ts';
import { addTotals, totalsShape } from './moments.ts';
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
/** Scores that are computed at a time. */
const SCORES = 2 ** 21;
/** Largest numbers of steps: of a fit, and within the draw. */
const STEPS = 40;
const INNER_STEPS = 200;
/**
 * The possible decrease that may remain, as a share of the gain over equal probabilities: of the probe that only decides a temperature, and of
 * the last one.
 */
const COARSE = 1e-4;
const FINE = 1e-7;
/** The same for a step, as a share of its decrease, and in nats, of which single precision holds no fewer. */
const INNER = 1e-4;
const LEAST = 1e-10;
/** A penalty on the length of steps, as a share of the mean curvature. */
const DAMPING = 1e-3;

/** The sums of log-sum-exp of the scores, and of the probabilities p x^T and p of all rows x, for the basis `weight` and `bias`. */
const losses: SumForm<Options> = {
  shapes: ({ classes, dimension }) => ({ loss: [1], byRow: [classes, dimension], shares: [classes] }),
  add: async ({ sums, basis }, { rows }, { task: { classes }, products }) => {
    const each = Math.max(1, Math.floor(SCORES / classes));
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
 * The linear probe from rows that memory does not hold. A step reads all rows for the gradient g at the parameters V, and looks for the minimum of
 * the loss of a draw of the rows plus sum U (g - g') over the parameters U, with the gradient g' of the draw at V (DANE: Shamir, Srebro and
 * Zhang, ICML 2014, equation 13, with one machine). L-BFGS takes V - U in place of the gradient times an inverse curvature. The steps are
 * therefore few, and they end at the solution for all rows, whatever the draw. The cross-entropy of all rows is sum_i log sum_c exp(w_c x_i +
 * b_c) - sum_c (w_c t_c + n_c b_c) with the sums t_c of the n_c rows of each class.
 */
export const streamedProbe: SummaryForm<typeof probeOptions, never, Probe> = {
  shapes: totalsShape,
  add: (sums, samples, { adder }) => addTotals(sums, samples, adder),
  sample: ({ classes, dimension }) => Math.floor(DRAWN / Math.max(classes, dimension)),
  passes: { losses },
  async fit(sums, task, options, passes) {
    const { pass, isLast, warn } = passes!;
    const penalty = penaltyOf(options, rowCount(sums));
    const start =
      (task.start as Probe | undefined) ??
      (await first(probesOf(task, [[...task.support.labels.keys()]], [options], COARSE)));
    const draw = await drawOf(sums, task, penalty);
    try {
      const counts = rowCounts(sums);
      const atNothing = Math.log(counts.reduce((all, own) => all + Number(own > 0), 0));
      const tolerance = isLast ? FINE : COARSE;
      const enough = (value: number) => tolerance * Math.min(1, Math.max(LEAST_GAIN, atNothing - value));
      const all = lossOf(sums, task, penalty, (basis) => pass('losses', basis));
      const objective: Objective = async (x) => {
        const at = await all(x);
        return { ...at, preconditioned: await draw.step(x, at.gradient) };
      };
      const { x, value, gradient, preconditioned } = await minimise(objective, parametersOf(start), {
        iterations: STEPS,
        tolerance: enough,
        signal: task.signal,
      });
      if (isLast && !(dot(gradient, preconditioned) / 2 <= enough(value)))
        warn(
          'The linear probe is less exact than in memory: its last step did not lower the loss as much as expected',
        );
      return probeOf(x, task.classes);
    } finally {
      await draw.close();
    }
  },
};

/** The loss of parameters [c, d + 1] for all rows, by one reading. */
function lossOf(
  { sums, ...counted }: Sums,
  { classes, dimension: d }: Task,
  penalty: number,
  read: (basis: Sums['basis']) => Promise<Sums>,
): (x: Float32Array) => Promise<{ value: number; gradient: Float32Array }> {
  const counts = rowCounts({ sums, ...counted });
  const n = rowCount({ sums, ...counted });
  return async (x) => {
    const { weight, bias } = probeOf(x, classes);
    const present = (bias.data as Float32Array).map((b, c) => (counts[c] === 0 ? ABSENT : b));
    const found = (await read({ weight, bias: floatTensor([classes], present) })).sums;
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
    return { value, gradient };
  };
}

/** The draw, by which a gradient becomes a step: the parameters less the minimum of the draw's loss with this gradient. */
async function drawOf(sums: Sums, task: Task, penalty: number) {
  const { classes, engine = interpreterEngine(), signal, support } = task;
  const rows = withColumn(scaled(keysOf(support), SCALE), SCALE);
  const p = rows.cols;
  const squares = await withProducts(engine, (products) => products.transposedProduct(rows, rows), signal);
  const count = rows.rows * classes;
  const decay = new Float32Array(p).fill(penalty);
  decay[p - 1] = 0;
  // A class that the draw lacks has no curvature of its own.
  const damping = DAMPING * meanDiagonal(usualCurvature(squares, count, new Float32Array(p)));
  for (let j = 0; j < p; j++) decay[j]! += damping;
  const inverse = await solvePositive(
    lowerRows(usualCurvature(squares, count, decay)),
    identity(p),
    engine,
    signal,
  );
  const problem = await problemOf(
    { rows, labels: support.labels, counts: Array.from(rowCounts(sums)), isTilted: true },
    classes,
    engine,
    signal,
  );
  return {
    close: () => problem.close(),
    async step(x: Float32Array, gradient: Float32Array): Promise<Float32Array> {
      await problem.setPenalty({ decay, inverse, tilt: new Float32Array(x.length) });
      const plain = await problem.evaluate(x);
      const tilt = gradient.map((g, i) => g - plain.gradient[i]!);
      await problem.setPenalty({ decay, inverse, tilt });
      const begun = await problem.evaluate(x);
      const from = begun.value;
      const { x: end } = await minimise(problem.evaluate, x, {
        first: begun,
        iterations: INNER_STEPS,
        tolerance: (value) => Math.max(LEAST, INNER * (from - value)),
        signal,
      });
      return end.map((to, i) => x[i]! - to);
    },
  };
}

function meanDiagonal({ rows, data }: Matrix): number {
  let sum = 0;
  for (let j = 0; j < rows; j++) sum += data[j * (rows + 1)]!;
  return sum / rows;
}
