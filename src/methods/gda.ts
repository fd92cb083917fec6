import { giveWay } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import { mul } from '../graph/elementwise.ts';
import { linear, unit } from '../graph/products.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { lowerRows, solvePositive } from '../linalg/solve.ts';
import { dot, type Matrix, matrix, matrixOf, row, scaled, selectRows, weightedSum } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { flag, positiveOr, real } from '../options.ts';
import { synthesise } from './gda-synthesis.ts';
import { defineMethod, WEIGHT } from './method.ts';
import { addSquares, addTotals, meansOf, momentsShape, solveRidge, squaresWithin } from './moments.ts';
import { proker } from './proker.ts';
import { type Samples, samplesOf } from './samples.ts';
import {
  ANALYTIC,
  type AnalyticShrinkage,
  analyticShrinkage,
  fourthMoment,
  type Scatter,
} from './shrinkage.ts';
import { rowCount, rowCounts, type Sums } from './summary.ts';
import { countByClass, selectExamples, type Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** The multiplier of the identity that is added to the covariance: a number, or an analytic rule. */
export const SHRINKAGE = positiveOr(ANALYTIC, {
  default: 1,
  help: 'Multiplier of the identity that is added to the covariance, or the rule that computes it: that of Ledoit and Wolf, or OAS.',
});

/**
 * Gaussian discriminant analysis: classes are Gaussians with one covariance, which is estimated from the examples and shrunk to the
 * identity (Wang et al., ICLR 2024, arXiv 2402.04087, eq. 4-6). scores = s f W^T + alpha (f w + b). Every augmented view is a sample. One
 * sample of each class has no covariance: its pseudo-inverse is 0, and the method is zero-shot. When such subsets are fitted to choose
 * alpha and shrinkage, the covariance of all samples around their mean is used, because alpha would be 0 otherwise. A class without an
 * example has the mean score of the other classes. With `synthesis`, it is estimated from the examples nearest to its name.
 */
export const gda = defineMethod({
  id: 'gda',
  name: 'Gaussian discriminant analysis',
  paper: 'Wang et al., ICLR 2024, arXiv 2402.04087, eq. 4-6',
  needs: ['examples'],
  rotates: true,
  auto: {
    order: 3,
    closedForm: true,
    // Each fold leaves out one example of each class, and the remaining examples must have a covariance.
    suits: ({ support, classes }) => support.labels.length >= 3 * classes,
    // Beside a full covariance, a kernel showed no gain in measurements, and it costs more.
    replaces: ({ support, dimension }) => (support.labels.length >= dimension ? [proker.id] : []),
  },
  options: {
    alpha: real({ default: 0.1, min: 0, help: "Weight of the Gaussians' log-odds against the class names." }),
    shrinkage: SHRINKAGE,
    synthesis: flag({
      help: 'Estimate the mean and covariance of a class without an example from the examples nearest to its name, as published for new classes.',
    }),
  },
  search: () =>
    [0.3, 1, 3, 10].flatMap((shrinkage) =>
      [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3].map((alpha) => ({ shrinkage, alpha })),
    ),
  fit: async (task, { alpha, shrinkage, synthesis }) => {
    const { support, classes, engine, signal } = task;
    if (!task.head && !hasSpread(support.labels)) throw withoutSpread();
    const head = await gaussianHead(samplesOf(support), classes, shrinkage, engine, signal);
    return { ...(synthesis ? await withNewClasses(head, task, shrinkage) : head), alpha };
  },
  fitSubsets: async function* (task, subsets, candidates) {
    const { support, classes, dimension, spaceDimension = dimension, engine, signal } = task;
    const folds: Gaussians[] = [];
    for (const subset of subsets) {
      const samples = samplesOf(selectExamples(support, subset));
      const around = hasSpread(samples.labels) ? 'means' : 'centre';
      folds.push(await estimate(samples, classes, engine, signal, around));
    }
    for (const { alpha, shrinkage } of candidates) {
      const states: (Discriminant & { alpha: number })[] = [];
      for (const gaussians of folds) {
        // The factor d of eq. 6 is the dimension of the encoder's space.
        const weight = (alpha * spaceDimension) / dimension;
        states.push({ ...(await discriminant(gaussians, shrinkage, engine, signal)), alpha: weight });
      }
      yield states;
    }
  },
  summary: {
    shapes: momentsShape,
    refuses: ({ shrinkage, synthesis }) =>
      synthesis
        ? 'synthesis compares the names with every example'
        : shrinkage === 'ledoit-wolf'
          ? 'the rule of Ledoit and Wolf needs the fourth powers of the distances from the means'
          : undefined,
    add: (summary, samples, { adder }) => {
      addTotals(summary, samples, adder);
      return addSquares(summary, samples, adder);
    },
    fit: async (summary, { head }, { alpha, shrinkage }) => {
      if (!head && rowCounts(summary).every((count) => count <= 1)) throw withoutSpread();
      return { ...discriminantOf(summary, shrinkage), alpha };
    },
  },
  holds: ({ classes, dimension }) => ({
    weights: { shape: [classes, dimension] },
    bias: { shape: [classes] },
    alpha: WEIGHT,
  }),
  prepare: (state) => state,
  remarks: (_, __, { weights }) =>
    weights.data.some((x) => x !== 0)
      ? []
      : [
          'No class has two examples that differ, so there is no covariance, and the class names alone answer',
        ],
  terms: (f, { weights, bias, alpha }, task) => ({
    ...(task.head ? { text: zeroShotLogits(f, task.head) } : {}),
    method: mul(linear(unit(f), weights, bias), alpha), // [m, c]
  }),
});

/** The error for examples that do not vary within classes, where there are no names either: all answers would be the first class. */
function withoutSpread(): UsageError {
  return new UsageError('gda needs class names, or two examples of a class', {
    code: 'method/needs',
    hint: 'Give another example of each class, or use --method whitened.',
    details: { method: 'gda' },
  });
}

type Shrinkage = number | AnalyticShrinkage;

/** Weights [c, d] and bias [c]. */
type Discriminant = { readonly weights: Tensor; readonly bias: Tensor };

/** The discriminant in which classes without an example are made from their names. Throws `UsageError` if there are no names. */
async function withNewClasses(
  { weights, bias }: Discriminant,
  { support, classes, head, engine, signal }: Task,
  shrinkage: Shrinkage,
): Promise<Discriminant> {
  if (!head) {
    throw new UsageError('gda needs a text head to make classes without an example', {
      code: 'method/needs',
      hint: 'Leave out --synthesis, or give class names.',
      details: { method: 'gda' },
    });
  }
  const absent = [...countByClass(support.labels, classes)].flatMap((count, c) => (count === 0 ? [c] : []));
  if (absent.length === 0) return { weights, bias };
  const names = selectRows(head.weights, absent);
  // The analytic rules apply to covariances around means, and these are around names.
  const how = { shrinkage: typeof shrinkage === 'number' ? shrinkage : 1, prior: -Math.log(classes) };
  const made = await synthesise(samplesOf(support).rows, names, how, engine, signal);
  const [w, b] = [matrixOf(weights), bias.data as Float32Array];
  absent.forEach((c, i) => {
    row(w, c).set(row(made.weights, i));
    b[c] = made.bias[i]!;
  });
  return { weights, bias };
}

/** The discriminant of samples. */
export async function gaussianHead(
  samples: Samples,
  classes: number,
  shrinkage: Shrinkage,
  engine?: Engine,
  signal?: AbortSignal,
): Promise<Discriminant> {
  const gaussians = await estimate(samples, classes, engine, signal);
  return discriminant(gaussians, shrinkage, engine, signal);
}

/** Class means, the samples around them, X [n, d], and the smaller of X^T X = (n - 1) S and X X^T. */
interface Gaussians {
  /** Samples of each class, [c]. */
  readonly counts: Int32Array;
  readonly means: Matrix;
  readonly centred: Matrix;
  readonly square: Matrix;
}

/** The discriminant from sums, in float64 (eq. 5 and 6). */
function discriminantOf(summary: Sums, shrinkage: Shrinkage): Discriminant {
  const [n, counts] = [rowCount(summary), rowCounts(summary)];
  const means = meansOf(summary);
  const [c, d] = [counts.length, means.length / counts.length];
  const within = squaresWithin(summary);
  let trace = 0;
  for (let j = 0; j < d; j++) trace += within[j * d + j]!;
  const weights = matrix(c, d);
  const bias = matrix(c, 1, new Float32Array(c).fill(-Math.log(c)));
  // Rows have length 1, so their squares add up to n. A smaller sum of squares within classes is rounding.
  if (trace > 1e-9 * n) {
    const multiplier =
      typeof shrinkage === 'number'
        ? shrinkage
        : multiplierBy(shrinkage, { n, d, counts, square: within, fourth: 0 });
    const right = new Float64Array(d * c);
    for (let k = 0; k < c; k++) for (let j = 0; j < d; j++) right[j * c + k] = means[k * d + j]! * d;
    const solved = solveRidge(within, (multiplier * trace) / (n - 1), right, c);
    for (let k = 0; k < c; k++) {
      let own = 0;
      for (let j = 0; j < d; j++) {
        weights.data[k * d + j] = solved[j * c + k]!;
        own += means[k * d + j]! * solved[j * c + k]!;
      }
      bias.data[k]! -= own / 2;
    }
  }
  return {
    weights: floatTensor([c, d], averageWhereAbsent(weights, counts).data),
    bias: floatTensor([c], averageWhereAbsent(bias, counts).data),
  };
}

async function estimate(
  { rows, labels }: Samples,
  classes: number,
  engine?: Engine,
  signal?: AbortSignal,
  around: 'means' | 'centre' = 'means',
): Promise<Gaussians> {
  const counts = countByClass(labels, classes);
  await giveWay(signal);
  const means = classMeans(rows, labels, counts);
  await giveWay(signal);
  const centred = matrix(rows.rows, rows.cols, rows.data.slice());
  const centre =
    around === 'centre' ? classMeans(rows, new Int32Array(rows.rows), Int32Array.of(rows.rows)) : means;
  labels.forEach((label, i) => {
    subtractFrom(row(centred, i), row(centre, around === 'centre' ? 0 : label));
  });
  await giveWay(signal);
  const square = await withProducts(
    engine,
    (run) => (isWide(centred) ? run.productT(centred, centred) : run.transposedProduct(centred, centred)),
    signal,
  );
  return { counts, means, centred, square };
}

/** Means of each class's rows, [c, d]; zero for a class without rows. */
function classMeans(rows: Matrix, labels: Int32Array, counts: Int32Array): Matrix {
  const sums = new Float64Array(counts.length * rows.cols);
  labels.forEach((label, i) => {
    const source = row(rows, i);
    for (let j = 0; j < source.length; j++) sums[label * rows.cols + j]! += source[j]! / counts[label]!;
  });
  return matrix(counts.length, rows.cols, Float32Array.from(sums));
}

/** w = mu P and b = log(1/C) - mu w / 2 with P = d ((n - 1) S + shrinkage tr(S) I)^-1 (eq. 5 and 6). */
async function discriminant(
  { counts, means, centred, square }: Gaussians,
  shrinkage: Shrinkage,
  engine?: Engine,
  signal?: AbortSignal,
): Promise<Discriminant> {
  const [c, d] = [means.rows, means.cols];
  let trace = 0;
  for (let j = 0; j < square.rows; j++) trace += square.data[j * square.rows + j]!;
  const weights = matrix(c, d);
  if (trace > 0) {
    const multiplier =
      typeof shrinkage === 'number'
        ? shrinkage
        : multiplierBy(shrinkage, {
            n: centred.rows,
            d,
            counts,
            square: square.data,
            fourth: fourthMoment(centred),
          });
    const ridge = (multiplier * trace) / (centred.rows - 1);
    const solve = (b: Matrix) => solvePositive(lowerRows(square, ridge), b, engine, signal);
    if (isWide(centred)) {
      // Fewer samples than dimensions: (X^T X + r I)^-1 m = (m - X^T (X X^T + r I)^-1 X m) / r.
      const explained = await withProducts(
        engine,
        async (run) => run.product(transposed(await solve(await run.productT(centred, means))), centred),
        signal,
      );
      weights.data.set(weightedSum(d / ridge, means, -d / ridge, explained).data);
    } else {
      weights.data.set(scaled(transposed(await solve(transposed(means))), d).data);
    }
  }
  const bias = matrix(c, 1);
  for (let k = 0; k < c; k++) bias.data[k] = -Math.log(c) - dot(row(means, k), row(weights, k)) / 2;
  return {
    weights: floatTensor([c, d], averageWhereAbsent(weights, counts).data),
    bias: floatTensor([c], averageWhereAbsent(bias, counts).data),
  };
}

/** Gives a class without samples the mean score of the others, which is neutral. */
function averageWhereAbsent(values: Matrix, counts: ArrayLike<number>): Matrix {
  const present = Array.from(counts, (_, k) => k).filter((k) => counts[k]! > 0);
  if (present.length === counts.length) return values;
  const mean = new Float64Array(values.cols);
  for (const k of present) {
    for (let j = 0; j < values.cols; j++) mean[j]! += row(values, k)[j]! / present.length;
  }
  for (let k = 0; k < counts.length; k++) if (counts[k] === 0) row(values, k).set(mean);
  return values;
}

/** Whether some class has at least two samples, so that samples vary within classes. */
function hasSpread(labels: Int32Array): boolean {
  return new Set(labels).size < labels.length;
}

/** The weight of the identity against (n - 1) S in the rule's blend (1 - l) S + l tr(S) / d I, as a multiplier of tr(S). */
function multiplierBy(
  rule: AnalyticShrinkage,
  { counts, ...scatter }: Omit<Scatter, 'samples'> & { readonly counts: ArrayLike<number> },
): number {
  const { n, d } = scatter;
  const samples = n - Array.from(counts).filter((count) => count > 0).length;
  const share = Math.min(analyticShrinkage(rule, { ...scatter, samples }), MOST_SHARE);
  return ((n - 1) / d) * (share / (1 - share));
}

/** With a larger share, S would have no effect. */
const MOST_SHARE = 1 - 1e-6;

function isWide({ rows, cols }: Matrix): boolean {
  return rows < cols;
}

function transposed(m: Matrix): Matrix {
  const out = matrix(m.cols, m.rows);
  for (let i = 0; i < m.rows; i++) {
    for (let j = 0; j < m.cols; j++) out.data[j * m.rows + i] = m.data[i * m.cols + j]!;
  }
  return out;
}

function subtractFrom(target: Float32Array, values: Float32Array): void {
  for (let j = 0; j < target.length; j++) target[j]! -= values[j]!;
}
