import { inTurns } from '../abort.ts';
import { UsageError } from '../errors.ts';
import { add, exp, mul, sub } from '../graph/elementwise.ts';
import { reshape } from '../graph/layout.ts';
import { linear, matmul, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { RowAdder } from '../linalg/row-adder.ts';
import { type Matrix, matrix, selectRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { integer, positive, real } from '../options.ts';
import { count, number } from '../words.ts';
import { addToClusters, clusterCentres } from './clusters.ts';
import { leaveOut, RANK_ERROR, type RankError, UNMEASURED } from './low-rank.ts';
import { defineMethod, SCALE, type SummaryForm, type SumPass, WEIGHT } from './method.ts';
import { addSquares } from './moments.ts';
import { type Clusters, clusterTensors, exactVotes, sketchError } from './sketch-comparison.ts';
import { summariseWith } from './summariser.ts';
import { emptySums, type Sums } from './summary.ts';
import { keysOf, type Support, selectExamples, type Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** From this sharpness on, single examples near the query decide, and means of clusters do not replace them. */
const SHARPEST = 20;
/** A smaller share of the keys' squares within clusters is rounding. */
const LEAST_SPREAD = 1e-5;
/** The mean relative error of the sums from which on the finding calls it large. */
const POOR = 0.1;
/** Rows of each class, for each cluster, that the centres are chosen from. */
const ROWS_PER_CLUSTER = 8;

const options = {
  alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes relative to the class names." }),
  beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
  landmarks: integer({
    default: 16,
    min: 1,
    help: 'Number of clusters whose means and sizes replace the examples of each class.',
  }),
};
type Values = { readonly alpha: number; readonly beta: number; readonly landmarks: number };

type Learnt = Clusters & { readonly alpha: number; readonly beta: number } & RankError;

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
    choose: async (samples, { classes, signal }, { landmarks }) => {
      const centres = await inTurns(clusterCentres(samples, classes, landmarks), signal);
      return { centres: floatTensor([centres.rows, centres.cols], centres.data) };
    },
  },
  add: (sums, samples, { options: { landmarks }, adder }) => {
    addToClusters(sums, samples, landmarks);
    return addSquares(sums, samples, adder);
  },
  fit: learn,
  measured: ['error', 'agreement', 'judges'],
  passes: { votes: exactVotes },
  compare: compared,
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
    '**Published.** No paper has this form. (Tip-Adapter itself: 62.03% on ImageNet at 16 shots, RN50.)',
    '**Left out.** The votes of single examples are not kept, so `explain` shows none.',
  ].join('\n\n'),
  needs: ['text', 'examples'],
  options,
  search: () => [0.5, 1, 2, 4, 8].map((beta) => ({ beta, alpha: 1 })),
  fit: async (task, values) => {
    const own = await learn(await sumsOf(task.support, task, values), task, values);
    return { ...own, ...(await measured(task, values)) };
  },
  fitSubsets: async function* (task, subsets, candidates) {
    // The clusters do not depend on alpha and beta.
    let folds: { landmarks: number; clusters: Clusters[] } | undefined;
    for (const values of candidates) {
      if (folds?.landmarks !== values.landmarks) {
        folds = { landmarks: values.landmarks, clusters: [] };
        for (const subset of subsets) {
          const sums = await sumsOf(selectExamples(task.support, subset), task, values);
          folds.clusters.push(await clustersOf(sums, task));
        }
      }
      yield folds.clusters.map((clusters) => stateOf(clusters, values));
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

/** The sums of examples in memory. */
function sumsOf(support: Support, task: Task, options: Values): Promise<Sums> {
  const samples = { rows: keysOf(support), labels: support.labels };
  return summariseWith(summary as SummaryForm, samples, { task, options }, task);
}

async function learn(sums: Sums, task: Task, values: Values): Promise<Learnt> {
  return stateOf(await clustersOf(sums, task), values);
}

function stateOf(clusters: Clusters, { alpha, beta }: Values): Learnt {
  const why = tooSharp(beta);
  if (why === undefined) return { ...clusters, alpha, beta, ...UNMEASURED };
  throw new UsageError(`tip-adapter-sketch cannot be used with beta ${beta}: ${why}`, {
    code: 'method/sketch',
    hint: `Give a beta below ${SHARPEST}, or use tip-adapter, which keeps all examples.`,
    details: { beta },
  });
}

async function clustersOf({ sums: { sizes, parts, squares } }: Sums, task: Task): Promise<Clusters> {
  const d = task.dimension;
  const counts = Float32Array.from(sizes!.data);
  const means = Float32Array.from(parts!.data, (x, at) => x / (counts[Math.floor(at / d)]! || 1));
  const keys = matrix(counts.length, d, means);
  const between = await betweenClusters(keys, counts, task);
  const within = Float64Array.from(squares!.data, (x, at) => x - between[at]!);
  let trace = 0;
  let whole = 0;
  for (let j = 0; j < d; j++) {
    trace += within[j * d + j]!;
    whole += squares!.data[j * d + j]!;
  }
  // Without a spread within clusters, the second order is 0.
  const share = trace > LEAST_SPREAD * whole ? 1 / trace : 0;
  return {
    keys: floatTensor([keys.rows, d], means),
    sizes: floatTensor(sizes!.shape, counts),
    within: floatTensor(
      [d, d],
      Float32Array.from(within, (x) => share * x),
    ),
  };
}

/** Clusters whose products are computed at a time. */
const BLOCK = 4096;

/** The sum of n_j z_j z_j^T over all clusters, [d, d]. */
async function betweenClusters(
  { rows, cols: d, data }: Matrix,
  sizes: Float32Array,
  { engine, signal }: Task,
): Promise<Float64Array> {
  const all = emptySums({ squares: [d, d] });
  await withProducts(
    engine,
    async (products) => {
      const adder = new RowAdder(products);
      for (let from = 0; from < rows; from += BLOCK) {
        const to = Math.min(rows, from + BLOCK);
        const weights = sizes.subarray(from, to).map(Math.sqrt);
        const block = matrix(to - from, d, data.slice(from * d, to * d));
        for (let at = 0; at < block.data.length; at++) block.data[at]! *= weights[Math.floor(at / d)]!;
        await addSquares(all, { rows: block }, adder);
      }
      await adder.flush();
    },
    signal,
  );
  return all.sums.squares!.data;
}

/** The error on left-out examples, by a sketch of the others. */
async function measured(task: Task & Required<Pick<Task, 'head'>>, values: Values): Promise<RankError> {
  const { support } = task;
  const [left, rest] = leaveOut(support);
  if (left.length === 0 || rest.length === 0) return UNMEASURED;
  const known = selectExamples(support, rest);
  const state = await learn(await sumsOf(known, task, values), task, values);
  const queries = selectRows(keysOf(support), left);
  return compared(state, queries, task, (_, basis) =>
    summariseWith(
      exactVotes,
      { rows: keysOf(known), labels: known.labels },
      { task, options: values, basis },
      task,
    ),
  );
}

/** The error of a state for unit rows [q, d], against the votes of the rows that a pass reads. */
async function compared(
  state: Learnt,
  queries: Matrix,
  task: Task & Required<Pick<Task, 'head'>>,
  pass: SumPass,
): Promise<RankError> {
  const exact = await pass('votes', { queries: floatTensor([queries.rows, queries.cols], queries.data) });
  return withProducts(
    task.engine,
    (products) => sketchError(state, queries, exact, task, products),
    task.signal,
  );
}
