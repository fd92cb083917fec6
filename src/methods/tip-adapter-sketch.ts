import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import { add, exp, mul, sub } from '../graph/elementwise.ts';
import { reshape } from '../graph/layout.ts';
import { linear, matmul, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { argmax, dot, type Matrix, matrix, matrixOf, row, selectRows } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { integer, positive, real } from '../options.ts';
import { count, number } from '../words.ts';
import { clusterCentres, halfSquares, nearestCentre } from './clusters.ts';
import { kernelOf, radial } from './kernel-ridge.ts';
import { leaveOut, RANK_ERROR, type RankError, UNMEASURED } from './low-rank.ts';
import { defineMethod, SCALE, type SummaryForm, WEIGHT } from './method.ts';
import { addSquares } from './moments.ts';
import type { Samples } from './samples.ts';
import { summariseWith } from './summariser.ts';
import type { Sums } from './summary.ts';
import { keysOf, type Support, selectExamples, type Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** From this sharpness on, single examples near the query decide, and means of clusters do not replace them. */
const SHARPEST = 20;
/** A smaller share of the keys' squares within clusters is rounding. */
const LEAST_SPREAD = 1e-5;
/** A mean relative error of the sums that is told to be much. */
const POOR = 0.1;
/** Rows of each class, for each cluster, that the centres are chosen from. */
const ROWS_PER_CLUSTER = 8;

const options = {
  alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes against the class names." }),
  beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
  landmarks: integer({
    default: 16,
    min: 1,
    help: 'Number of clusters whose means and sizes replace the examples of each class.',
  }),
};
type Values = { readonly alpha: number; readonly beta: number; readonly landmarks: number };

type Learnt = {
  /** Means of the clusters, [c m, d], not of unit length. */
  readonly keys: Tensor;
  /** Number of examples of each cluster, [c, m]. */
  readonly sizes: Tensor;
  /** Covariance within the clusters, divided by its trace, [d, d]. */
  readonly within: Tensor;
  readonly alpha: number;
  readonly beta: number;
} & RankError;

const summary: SummaryForm<typeof options, 'text', Learnt> = {
  shapes: ({ classes, dimension }, { landmarks }) => ({
    sizes: [classes, landmarks],
    parts: [classes * landmarks, dimension],
    squares: [dimension, dimension],
  }),
  refuses: ({ beta }) => tooSharp(beta),
  basis: {
    shapes: ({ classes, dimension }, { landmarks }) => ({ centres: [classes * landmarks, dimension] }),
    sample: ({ landmarks }) => landmarks * ROWS_PER_CLUSTER,
    choose: async (samples, { classes }, { landmarks }) => {
      const centres = clusterCentres(samples, classes, landmarks);
      return { centres: floatTensor([centres.rows, centres.cols], centres.data) };
    },
  },
  add: (sums, samples, { options: { landmarks }, products }) => {
    addParts(sums, samples, landmarks);
    return addSquares(sums, samples, products);
  },
  fit: learn,
  compare,
};

/**
 * Tip-Adapter from a sketch of its cache. The examples of each class are the m clusters of k-means, with their sizes n_j and means z_j. The
 * cache's sum over a cluster is approximated to second order around its mean, where the first order vanishes: n_j exp(-beta (1 - f z_j))
 * (1 + beta^2 t_j q(f) / 2), with the variance t_j = 1 - |z_j|^2 of its unit rows and the share q(f) = f C f of the variance in the
 * direction of the query, for the covariance C within all clusters divided by its trace. The error is measured on left-out examples.
 */
export const tipAdapterSketch = defineMethod({
  id: 'tip-adapter-sketch',
  name: 'Tip-Adapter sketch',
  paper: 'Zhang et al., ECCV 2022, arXiv 2207.09519; clusters by Lloyd, IEEE TIT 1982',
  notes: [
    '**Equations.** k-means divides the keys of each class into `--landmarks` clusters of `n_j` keys with the mean `z_j`. The sum of a class becomes `sum_j n_j exp(-beta (1 - x z_j)) (1 + beta^2 t_j q(x) / 2)`, `t_j = 1 - |z_j|^2`, `q(x) = x C x`, where `C` is the covariance of the keys within their clusters, divided by its trace. This is the expansion to second order around the means of the clusters, where the first order vanishes.',
    '**Cost.** An answer takes the time and memory of `--landmarks` keys for each class. A fit reads the features twice, and once more for the error.',
    '**Error.** Left-out examples are compared with the exact cache of the others: the mean relative error of the sums of the classes, and the number of equal answers. Both stand in the file, and `fit` and `info` print them. A beta of 20 or more is refused, because single examples then decide.',
    '**Published.** Tip-Adapter itself has 62.03% on ImageNet at 16 shots (RN50). No paper has this form.',
    '**Left out.** The votes of single examples are not kept, so `explain` shows none.',
  ].join('\n\n'),
  needs: ['text', 'examples'],
  options,
  search: () => [0.5, 1, 2, 4, 8].map((beta) => ({ beta, alpha: 1 })),
  fit: async (task, values) => {
    const own = await learn(await sketchOf(task.support, task, values), task, values);
    return { ...own, ...(await measured(task, values)) };
  },
  fitSubsets: async function* (task, subsets, candidates) {
    for (const values of candidates) {
      const states: Learnt[] = [];
      for (const subset of subsets) {
        const support = selectExamples(task.support, subset);
        states.push(await learn(await sketchOf(support, task, values), task, values));
      }
      yield states;
    }
  },
  summary,
  holds: ({ classes: c, dimension: d }, { landmarks: m }) => ({
    keys: { shape: [c * m, d] },
    sizes: { shape: [c, m], least: 0 },
    within: { shape: [d, d] },
    alpha: WEIGHT,
    beta: SCALE,
    ...RANK_ERROR,
  }),
  prepare: ({ keys, sizes, within, alpha, beta }) => ({
    ...clusterTensors({ keys, sizes }),
    keys,
    within,
    alpha,
    beta,
  }),
  terms: (f, { keys, logSizes, variances, within, alpha, beta }, task) => {
    const u = unit(f);
    const [c, m] = logSizes.shape as [number, number];
    const exponents = linear(mul(u, beta), keys, reshape(sub(logSizes, beta), [c * m]));
    const votes = reshape(exp(exponents), [f.shape[0]!, c, m]);
    const q = sum(mul(matmul(u, within), u), [1], true); // [m, 1]
    const second = mul(mul(q, mul(mul(beta, beta), 0.5)), sum(mul(votes, variances), [2]));
    return {
      text: zeroShotLogits(f, task.head),
      cache: mul(add(sum(votes, [2]), second), alpha), // [m, c]
    };
  },
  remarks: (_, { landmarks }, { sizes, error, agreement, judges }) => {
    const rows = (sizes.data as Float32Array).reduce((all, n) => all + n, 0);
    const form = `${count(landmarks, 'cluster')} of each class for ${count(rows, 'key')}`;
    if (judges === 0) return [`${form}; no example could be left out to measure the error`];
    const equal = number(Math.round(agreement * judges));
    const poor = error > POOR ? '; that is much: give more --landmarks or a smaller --beta' : '';
    return [
      `${form}: on ${count(judges, 'left-out example')}, the sums of the classes differ from the exact sums by ${(100 * error).toPrecision(2)}% on average, and the best class is the same for ${equal}${poor}`,
    ];
  },
});

function tooSharp(beta: number): string | undefined {
  return beta >= SHARPEST
    ? `at a beta of ${SHARPEST} or more single examples decide, which means of clusters do not replace`
    : undefined;
}

/** Adds rows to the clusters of their classes whose centres are nearest. */
function addParts({ sums, basis }: Sums, { rows, labels }: Samples, perClass: number): void {
  const [sizes, parts] = [sums.sizes!.data, sums.parts!.data];
  const centres = matrixOf(basis.centres!);
  const halves = halfSquares(centres);
  const d = rows.cols;
  for (let i = 0; i < labels.length; i++) {
    const k = nearestCentre(centres, halves, row(rows, i), labels[i]! * perClass, perClass);
    sizes[k]!++;
    for (let j = 0; j < d; j++) parts[k * d + j]! += rows.data[i * d + j]!;
  }
}

/** The sketch of examples in memory. */
async function sketchOf(
  support: Support,
  task: Task & Required<Pick<Task, 'head'>>,
  values: Values,
): Promise<Sums> {
  const samples = { rows: keysOf(support), labels: support.labels };
  const basis = await summary.basis!.choose(samples, task, values);
  return summariseWith(summary as SummaryForm, samples, { task, options: values, basis }, task);
}

async function learn(
  { sums }: Sums,
  { classes: c, dimension: d, engine, signal }: Task,
  { alpha, beta, landmarks: m }: Values,
): Promise<Learnt> {
  const why = tooSharp(beta);
  if (why !== undefined) {
    throw new UsageError(`tip-adapter-sketch cannot be used with beta ${beta}: ${why}`, {
      code: 'method/sketch',
      hint: `Give a beta below ${SHARPEST}, or use tip-adapter, which keeps all examples.`,
      details: { beta },
    });
  }
  const sizes = Float32Array.from(sums.sizes!.data);
  const parts = sums.parts!.data;
  const keys = Float32Array.from(parts, (x, at) => x / (sizes[Math.floor(at / d)]! || 1));
  const between = await betweenClusters({ keys, sizes, d }, engine, signal);
  const within = Float64Array.from(sums.squares!.data, (x, at) => x - between[at]!);
  let trace = 0;
  let whole = 0;
  for (let j = 0; j < d; j++) {
    trace += within[j * d + j]!;
    whole += sums.squares!.data[j * d + j]!;
  }
  const spreads = trace > LEAST_SPREAD * whole;
  return {
    keys: floatTensor([c * m, d], keys),
    sizes: floatTensor([c, m], sizes),
    // Without a spread within clusters, the second order is 0.
    within: floatTensor(
      [d, d],
      Float32Array.from(within, (x) => (spreads ? x / trace : 0)),
    ),
    alpha,
    beta,
    ...UNMEASURED,
  };
}

/** Clusters whose products are computed at a time. */
const BLOCK = 4096;

/** The sum of n_j z_j z_j^T over all clusters, [d, d]. */
async function betweenClusters(
  { keys, sizes, d }: { keys: Float32Array; sizes: Float32Array; d: number },
  engine?: Engine,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const sums = new Float64Array(d * d);
  await withProducts(
    engine,
    async ({ transposedProduct }) => {
      for (let from = 0; from < sizes.length; from += BLOCK) {
        const to = Math.min(sizes.length, from + BLOCK);
        const weighted = keys
          .subarray(from * d, to * d)
          .map((x, at) => x * Math.sqrt(sizes[from + Math.floor(at / d)]!));
        const block = matrix(to - from, d, weighted);
        const { data } = await transposedProduct(block, block);
        for (let at = 0; at < sums.length; at++) sums[at]! += data[at]!;
      }
    },
    signal,
  );
  return sums;
}

/** A logarithm of a size whose cluster has no vote. */
const ABSENT = -1e4;

/** The logarithms of the clusters' sizes and the variances of their keys, [c, m]. */
function clusterTensors({ keys, sizes }: Pick<Learnt, 'keys' | 'sizes'>): {
  logSizes: Tensor;
  variances: Tensor;
} {
  const halves = halfSquares(matrixOf(keys));
  const logs = Float32Array.from(sizes.data as Float32Array, (n) => (n > 0 ? Math.log(n) : ABSENT));
  return {
    logSizes: floatTensor(sizes.shape, logs),
    variances: floatTensor(
      sizes.shape,
      Float32Array.from(halves, (half) => Math.max(0, 1 - 2 * half)),
    ),
  };
}

/** The error on left-out examples, by a sketch of the others. */
async function measured(task: Task & Required<Pick<Task, 'head'>>, values: Values): Promise<RankError> {
  const { support, engine, signal } = task;
  const [left, rest] = leaveOut(support);
  if (left.length === 0 || rest.length === 0) return UNMEASURED;
  const known = selectExamples(support, rest);
  const state = await learn(await sketchOf(known, task, values), task, values);
  const queries = selectRows(keysOf(support), left);
  return withProducts(
    engine,
    async (products) => {
      const comparison = compare(state, queries, task, products);
      await comparison.add({ rows: keysOf(known), labels: known.labels });
      return comparison.result();
    },
    signal,
  );
}

/** Compares a sketch with the exact cache of the examples that are added. */
function compare(
  state: Learnt,
  queries: Matrix,
  { classes, head }: Task & Required<Pick<Task, 'head'>>,
  products: Products,
): { add(samples: Samples): Promise<void>; result(): Promise<RankError> } {
  const exact = new Float64Array(queries.rows * classes);
  return {
    async add({ rows, labels }) {
      const votes = await kernelOf(queries, rows, radial(state.beta), products); // [q, n]
      for (let i = 0; i < queries.rows; i++) {
        const own = row(votes, i);
        for (let k = 0; k < own.length; k++) exact[i * classes + labels[k]!]! += own[k]!;
      }
    },
    async result() {
      const sketch = await sketchSums(state, queries, products);
      const names = await products.productT(queries, head.weights);
      let error = 0;
      let compared = 0;
      let equal = 0;
      for (let i = 0; i < queries.rows; i++) {
        const answers = [exact, sketch].map((sums) =>
          argmax(row(names, i).map((x, c) => head.logitScale * x + state.alpha * sums[i * classes + c]!)),
        );
        if (answers[0] === answers[1]) equal++;
        for (let c = 0; c < classes; c++) {
          const sum = exact[i * classes + c]!;
          if (sum === 0) continue;
          error += Math.abs(sketch[i * classes + c]! - sum) / sum;
          compared++;
        }
      }
      return {
        error: error / Math.max(1, compared),
        agreement: equal / queries.rows,
        judges: queries.rows,
      };
    },
  };
}

/** The sketch's sums of the classes for unit rows, [q c]. */
async function sketchSums(state: Learnt, queries: Matrix, products: Products): Promise<Float64Array> {
  const { beta, sizes } = state;
  const [c, m] = sizes.shape as [number, number];
  const { variances } = clusterTensors(state);
  const directed = await products.product(queries, matrixOf(state.within));
  const cosines = await products.productT(queries, matrixOf(state.keys));
  const sums = new Float64Array(queries.rows * c);
  for (let i = 0; i < queries.rows; i++) {
    const second = (beta ** 2 / 2) * dot(row(directed, i), row(queries, i));
    const own = row(cosines, i);
    for (let k = 0; k < own.length; k++) {
      const votes = (sizes.data[k] as number) * Math.exp(beta * (own[k]! - 1));
      sums[i * c + Math.floor(k / m)]! += votes * (1 + second * (variances.data[k] as number));
    }
  }
  return sums;
}
