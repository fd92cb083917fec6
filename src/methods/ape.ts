import { mul } from '../graph/elementwise.ts';
import { dot, type Matrix, matrix, productTInPieces, row, softmax, topK, unitRows } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { positive, real } from '../options.ts';
import { affinities, cacheOrder, cacheTensors, classSums } from './cache.ts';
import { defineMethod, SCALE, type TaskWith, WEIGHT } from './method.ts';
import { countByClass, keysOf, type Support } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/**
 * APE: Tip-Adapter's cache on the channels that tell the class names apart, with keys weighted by how little the names say about
 * them (Zhu et al., ICCV 2023, arXiv 2304.01195, eq. 8-12). scores = s f W^T + alpha exp(-beta (1 - f' F'^T)) diag(R) L. The paper
 * searches alpha, beta and gamma on each data set; the channels' share is 800 of the 1,024 of its encoder.
 */
export const ape = defineMethod({
  id: 'ape',
  name: 'APE',
  paper: 'Zhu et al., ICCV 2023, arXiv 2304.01195, eq. 8-12',
  needs: ['text', 'examples'],
  options: {
    alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes against the class names." }),
    beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
    gamma: real({
      default: 0.1,
      min: 0,
      help: 'How much more an example counts if its class name does not explain it.',
    }),
    channels: positive({ default: 800 / 1024, max: 1, help: 'Share of the channels that are kept.' }),
  },
  search: () => [0.5, 1, 2, 4, 8, 16, 32].map((beta) => ({ beta, alpha: 1 })),
  fit: (task, { alpha, beta, gamma, channels }) => {
    return { mask: channelMask(task, channels, [0.7, 0.3]), alpha, beta, gamma };
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

/** 1 for the share of channels that tell classes apart best, 0 for the others, [d]. */
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
 * J_k = -w0 S_k + w1 Var_c(W_ck): channels in which rows of different classes agree least, class names and pictures together,
 * and the class names vary most (eq. 8).
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

/** Rows without the channels that are not kept, unit again. */
function masked(rows: Matrix, mask: Float32Array): Matrix {
  return unitRows(
    matrix(
      rows.rows,
      rows.cols,
      rows.data.map((x, at) => x * mask[at % rows.cols]!),
    ),
  );
}

/** log R = gamma KL of each key, at its place in the cache (eq. 11). */
function weighted({ shape, data }: Tensor, order: Int32Array, gaps: Float32Array, gamma: number): Tensor {
  return floatTensor(
    shape,
    Float32Array.from(data as Float32Array, (value, at) =>
      order[at]! < 0 ? value : gamma * gaps[order[at]!]!,
    ),
  );
}
