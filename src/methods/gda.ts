import { giveWay } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { mul } from '../graph/elementwise.ts';
import { linear, unit } from '../graph/products.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { lowerRows, solvePositive } from '../linalg/solve.ts';
import { dot, type Matrix, matrix, row } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { positive, real } from '../options.ts';
import { defineMethod, WEIGHT } from './method.ts';
import { proker } from './proker.ts';
import { type Samples, samplesOf } from './samples.ts';
import { countByClass, selectExamples } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/**
 * Gaussian discriminant analysis: classes are Gaussians of one covariance, estimated from the examples and shrunk to the identity
 * (Wang et al., ICLR 2024, arXiv 2402.04087, eq. 4-6). scores = s f W^T + alpha (f w + b). Augmented views are samples of their
 * own. One sample a class has no covariance: its pseudo-inverse is 0 and the method is zero-shot.
 */
export const gda = defineMethod({
  id: 'gda',
  name: 'Gaussian discriminant analysis',
  paper: 'Wang et al., ICLR 2024, arXiv 2402.04087, eq. 4-6',
  needs: ['examples'],
  auto: {
    order: 3,
    closedForm: true,
    // Each fold leaves out one example of a class: of what is left there must be a covariance.
    suits: ({ support, classes }) => support.labels.length >= 3 * classes,
    // Where there is a full covariance, a kernel adds nothing to it that was measured, and it costs more.
    replaces: ({ support, dimension }) => (support.labels.length >= dimension ? [proker.id] : []),
  },
  options: {
    alpha: real({ default: 0.1, min: 0, help: "Weight of the Gaussians' log-odds against the class names." }),
    shrinkage: positive({ default: 1, help: 'Multiplier of the identity that is added to the covariance.' }),
  },
  search: () =>
    [0.3, 1, 3, 10].flatMap((shrinkage) =>
      [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3].map((alpha) => ({ shrinkage, alpha })),
    ),
  fit: async ({ support, classes, engine, signal }, { alpha, shrinkage }) => {
    const head = await gaussianHead(samplesOf(support), classes, shrinkage, engine, signal);
    return { ...head, alpha };
  },
  fitSubsets: async function* ({ support, classes, engine, signal }, subsets, candidates) {
    const folds: Gaussians[] = [];
    for (const subset of subsets) {
      folds.push(await estimate(samplesOf(selectExamples(support, subset)), classes, engine, signal));
    }
    for (const { alpha, shrinkage } of candidates) {
      const states: (Discriminant & { alpha: number })[] = [];
      for (const gaussians of folds) {
        states.push({ ...(await discriminant(gaussians, shrinkage, engine, signal)), alpha });
      }
      yield states;
    }
  },
  holds: ({ classes, dimension }) => ({
    weights: { shape: [classes, dimension] },
    bias: { shape: [classes] },
    alpha: WEIGHT,
  }),
  prepare: (state) => state,
  terms: (f, { weights, bias, alpha }, task) => ({
    ...(task.head ? { text: zeroShotLogits(f, task.head) } : {}),
    method: mul(linear(unit(f), weights, bias), alpha), // [m, c]
  }),
});

/** Weights [c, d] and bias [c]. */
type Discriminant = { readonly weights: Tensor; readonly bias: Tensor };

/** The discriminant of samples. */
export async function gaussianHead(
  samples: Samples,
  classes: number,
  shrinkage: number,
  engine?: Engine,
  signal?: AbortSignal,
): Promise<Discriminant> {
  const gaussians = await estimate(samples, classes, engine, signal);
  return discriminant(gaussians, shrinkage, engine, signal);
}

/** Class means, the samples around them, X [n, d], and the smaller of their products: X^T X = (n - 1) S, or X X^T. */
interface Gaussians {
  /** Samples of each class, [c]. */
  readonly counts: Int32Array;
  readonly means: Matrix;
  readonly centred: Matrix;
  readonly square: Matrix;
}

async function estimate(
  { rows, labels }: Samples,
  classes: number,
  engine?: Engine,
  signal?: AbortSignal,
): Promise<Gaussians> {
  const counts = countByClass(labels, classes);
  await giveWay(signal);
  const means = classMeans(rows, labels, counts);
  await giveWay(signal);
  const centred = matrix(rows.rows, rows.cols, rows.data.slice());
  labels.forEach((label, i) => {
    subtractFrom(row(centred, i), row(means, label));
  });
  await giveWay(signal);
  const square = await withProducts(
    engine,
    (run) => (isWide(centred) ? run.productT(centred, centred) : run.transposedProduct(centred, centred)),
    signal,
  );
  return { counts, means, centred, square };
}

/** Means of the classes' rows, [c, d]; zero for a class without any. */
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
  shrinkage: number,
  engine?: Engine,
  signal?: AbortSignal,
): Promise<Discriminant> {
  const [c, d] = [means.rows, means.cols];
  let trace = 0;
  for (let j = 0; j < square.rows; j++) trace += square.data[j * square.rows + j]!;
  const weights = matrix(c, d);
  if (trace > 0) {
    const ridge = (shrinkage * trace) / (centred.rows - 1);
    const solve = (b: Matrix) => solvePositive(lowerRows(square, ridge), b, engine, signal);
    if (isWide(centred)) {
      // Fewer samples than dimensions: (X^T X + r I)^-1 m = (m - X^T (X X^T + r I)^-1 X m) / r.
      const explained = await withProducts(
        engine,
        async (run) => run.product(transposed(await solve(await run.productT(centred, means))), centred),
        signal,
      );
      weights.data.set(means.data.map((x, i) => ((x - explained.data[i]!) * d) / ridge));
    } else {
      weights.data.set(transposed(await solve(transposed(means))).data.map((x) => x * d));
    }
  }
  const bias = matrix(c, 1);
  for (let k = 0; k < c; k++) bias.data[k] = -Math.log(c) - dot(row(means, k), row(weights, k)) / 2;
  return {
    weights: floatTensor([c, d], averageWhereAbsent(weights, counts).data),
    bias: floatTensor([c], averageWhereAbsent(bias, counts).data),
  };
}

/** A class without samples scores as the others do on average: nothing speaks for or against it. */
function averageWhereAbsent(values: Matrix, counts: Int32Array): Matrix {
  const present = [...counts.keys()].filter((k) => counts[k]! > 0);
  if (present.length === counts.length) return values;
  const mean = new Float64Array(values.cols);
  for (const k of present) {
    for (let j = 0; j < values.cols; j++) mean[j]! += row(values, k)[j]! / present.length;
  }
  counts.forEach((count, k) => {
    if (count === 0) row(values, k).set(mean);
  });
  return values;
}

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
