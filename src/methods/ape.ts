import { mul } from '../graph/elementwise.ts';
import { dot, type Matrix, matrix, productTInPieces, row, softmax, topK, unitRows } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { flag, positive, real } from '../options.ts';
import { affinities, cacheOrder, cacheTensors, classSums } from './cache.ts';
import { defineMethod, SCALE, type TaskWith, WEIGHT } from './method.ts';
import { countByClass, keysOf, type Support } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** For each data set: `training_free_feat_num` of the 1,024 channels of the paper's encoder, and the first number of `w_training_free`. */
const PUBLISHED: Readonly<Record<string, readonly [channels: number, agreement: number]>> = {
  caltech101: [800, 0.5],
  dtd: [400, 0.5],
  eurosat: [700, 0.9],
  fgvc: [800, 0.1],
  food101: [700, 0.3],
  imagenet: [500, 0.7],
  flowers: [700, 0.4],
  pets: [800, 0.7],
  cars: [500, 0.6],
  sun397: [800, 0.7],
  ucf101: [700, 0.3],
};

/** The candidates of `thorough`. */
const PAIRS = [0.4, 0.78125, 1].flatMap((channels) => [0, 0.1, 0.3, 1].map((gamma) => ({ channels, gamma })));

/**
 * APE: Tip-Adapter's cache on the channels that distinguish the class names. A key has more weight, the less its class name explains it
 * (Zhu et al., ICCV 2023, arXiv 2304.01195, eq. 8-12). scores = s f W^T + alpha exp(-beta (1 - f' F'^T)) diag(R) L. The paper searches
 * alpha, beta and gamma on each data set, and sets the share of the channels and the weights of their criterion for each data set. Here
 * alpha and beta are chosen, and with `thorough` also gamma and the share of the channels.
 */
export const ape = defineMethod({
  id: 'ape',
  name: 'APE',
  paper: 'Zhu et al., ICCV 2023, arXiv 2304.01195, eq. 8-12',
  needs: ['text', 'examples'],
  options: {
    alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes relative to the class names." }),
    beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
    gamma: real({
      default: 0.1,
      min: 0,
      help: 'How much the weight of an example rises if its class name does not explain it.',
    }),
    channels: positive({ default: 800 / 1024, max: 1, help: 'Share of the channels that are kept.' }),
    agreement: real({
      default: 0.7,
      min: 0,
      max: 1,
      help: 'Weight of the agreement between classes in the criterion that selects channels; the variance of the class names has the remaining weight.',
    }),
    thorough: flag({ help: 'Also choose gamma and the share of the channels, among twelve pairs.' }),
  },
  search: (_, { thorough }) =>
    (thorough ? PAIRS : [{}]).flatMap((pair) =>
      [0.5, 1, 2, 4, 8, 16, 32].map((beta) => ({ ...pair, beta, alpha: 1 })),
    ),
  published: (dataset, { thorough }) => {
    const [channels, agreement] = PUBLISHED[dataset] ?? [];
    if (channels === undefined) return {};
    return { agreement, ...(!thorough && { channels: channels / 1024 }) };
  },
  fit: (task, { alpha, beta, gamma, channels, agreement }) => {
    return { mask: channelMask(task, channels, [agreement, 1 - agreement]), alpha, beta, gamma };
  },
  holds: ({ dimension }) => ({
    mask: { shape: [dimension], least: 0, most: 1, whole: true },
    alpha: WEIGHT,
    beta: SCALE,
    gamma: WEIGHT,
  }),
  prepare: function* (state, task) {
    const mask = state.mask.data as Float32Array;
    const { labels } = task.support;
    const keys = masked(keysOf(task.support), mask);
    const cache = cacheTensors(keys, labels, task.classes);
    const logits = yield* productTInPieces(keys, masked(task.head.weights, mask));
    const gaps = Float32Array.from(labels, (label, i) => -Math.log2(softmax(row(logits, i))[label]!)); // KL(L_i | p_i)
    return {
      ...state,
      ...cache,
      logValues: weighted(cache.logValues, cacheOrder(labels, task.classes), gaps, state.gamma),
    };
  },
  terms: (f, state, task) => ({
    text: zeroShotLogits(f, task.head),
    cache: mul(classSums(mul(f, state.mask), state), state.alpha), // [m, c]
  }),
  votes: (f, state) => mul(affinities(mul(f, state.mask), state), state.alpha), // [m, n]
});

/** Returns 1 for the given share of the channels, those that distinguish classes best, and 0 for the others, [d]. */
export function channelMask(
  task: TaskWith<'text'>,
  share: number,
  weights: readonly [number, number],
): Tensor {
  const mask = new Float32Array(task.dimension);
  const kept = topK(relevance(task.head.weights, task.support, weights), Math.ceil(share * task.dimension));
  for (const k of kept) mask[k] = 1;
  return floatTensor([task.dimension], mask);
}

/**
 * J_k = -w0 S_k + w1 Var_c(W_ck). It is highest for channels in which the rows of different classes (names and pictures together) agree
 * least and the class names vary most (eq. 8).
 */
function relevance(weights: Matrix, support: Support, [w0, w1]: readonly [number, number]): Float64Array {
  const c = weights.rows;
  const keys = keysOf(support);
  const sums = Float64Array.from(weights.data); // of each class's rows, [c, d]
  const counts = countByClass(support.labels, c).map((n) => n + 1);
  support.labels.forEach((label, i) => {
    row(keys, i).forEach((x, k) => {
      sums[label * weights.cols + k]! += x;
    });
  });
  const total = counts.reduce((n, count) => n + count, 0);
  const pairs = total * total - counts.reduce((n, count) => n + count * count, 0);
  return Float64Array.from({ length: weights.cols }, (_, k) => {
    const column = (values: ArrayLike<number>) =>
      Float64Array.from({ length: c }, (_row, i) => values[i * weights.cols + k]!);
    const [ofClass, text] = [column(sums), column(weights.data)];
    const similarity = (sumOf(ofClass) ** 2 - dot(ofClass, ofClass)) / pairs;
    const variance = (dot(text, text) - sumOf(text) ** 2 / c) / (c - 1);
    return -w0 * similarity + w1 * variance;
  });
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x, 0);
}

/** Returns the rows without the channels that are not kept, brought back to unit length. */
function masked(rows: Matrix, mask: Float32Array): Matrix {
  return unitRows(
    matrix(
      rows.rows,
      rows.cols,
      rows.data.map((x, at) => x * mask[at % rows.cols]!),
    ),
  );
}

/** log R = gamma KL of each key, at the key's place in the cache (eq. 11). */
function weighted({ shape, data }: Tensor, order: Int32Array, gaps: Float32Array, gamma: number): Tensor {
  return floatTensor(
    shape,
    Float32Array.from(data as Float32Array, (value, at) =>
      order[at]! < 0 ? value : gamma * gaps[order[at]!]!,
    ),
  );
}
