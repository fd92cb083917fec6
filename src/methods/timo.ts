import { mul } from '../graph/elementwise.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { concatRows, dot, type Matrix, matrix, row, selectRows, softmax, unitRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { flag, integer, optional, real } from '../options.ts';
import { gaussianHead, SHRINKAGE } from './gda.ts';
import { defineMethod, SCALE, WEIGHT } from './method.ts';
import { type Samples, samplesOf } from './samples.ts';
import { countByClass, type TextHead } from './task.ts';

/**
 * TIMO: image and text guide each other (Li et al., AAAI 2025, arXiv 2412.11375). Prompts are weighted by their cosine with the mean
 * picture of their class (image-guided text). Prompts, each multiplied by that cosine, are added to the pictures as samples of Gaussian
 * discriminant analysis (text-guided image). scores = s f W'^T + alpha (f w + b). alpha is searched. gamma is 50, but 1 for ImageNet and
 * 100 for Flowers. With `thorough` it is TIMO-S, which also searches gamma and the number of prompts among the samples. Here all of them
 * are searched by the left-out examples, among fewer values than published.
 */
export const timo = defineMethod({
  id: 'timo',
  name: 'TIMO',
  paper: 'Li et al., AAAI 2025, arXiv 2412.11375',
  needs: ['text', 'examples', 'several-prompts'],
  options: {
    alpha: real({ default: 0.1, min: 0, help: "Weight of the Gaussians' log-odds against the class names." }),
    gamma: real({ default: 50, min: 0, help: 'How strongly prompts near the pictures are preferred.' }),
    shrinkage: SHRINKAGE,
    promptsPerClass: optional(
      integer({
        min: 1,
        help: 'How many prompts of each class join the examples, the nearest first (default: each once). Above the number of prompts, the nearest join again.',
      }),
    ),
    thorough: flag({ help: 'Also choose gamma and the number of prompts (TIMO-S).' }),
  },
  search: ({ head }, { thorough }) => {
    const most = 2 * countByClass(head.promptClass, head.weights.rows).reduce((a, b) => Math.max(a, b), 1);
    const numbers = [1, 0.25 * most, 0.5 * most, 0.75 * most, most].map(Math.round);
    const pairs = [5, 20, 50, 100].flatMap((gamma) =>
      numbers.map((promptsPerClass) => ({ gamma, promptsPerClass })),
    );
    return (thorough ? pairs : [{}]).flatMap((pair) => ALPHAS.map((alpha) => ({ ...pair, alpha })));
  },
  published: (dataset, { thorough }) => {
    if (thorough) return {};
    return dataset === 'imagenet' ? { gamma: 1 } : dataset === 'flowers' ? { gamma: 100 } : {};
  },
  fit: async (
    { support, head, classes, engine, signal },
    { alpha, gamma, shrinkage, promptsPerClass: wanted },
  ) => {
    const pictures = samplesOf(support);
    const prompts: Samples = { rows: unitRows(head.promptFeatures), labels: head.promptClass };
    const cosines = nearness(pictures, prompts, classes);
    const kept = wanted === undefined ? [...cosines.keys()] : nearest(prompts, cosines, classes, wanted);
    const scaled = selectRows(scaledRows(prompts.rows, cosines), kept);
    const both: Samples = {
      rows: concatRows([pictures.rows, scaled]),
      labels: Int32Array.from([...pictures.labels, ...kept.map((p) => prompts.labels[p]!)]),
    };
    const text = guidedText(prompts, cosines, head, gamma);
    return {
      text: floatTensor([text.rows, text.cols], text.data),
      ...(await gaussianHead(both, classes, shrinkage, engine, signal)),
      alpha,
      logitScale: head.logitScale,
    };
  },
  holds: ({ classes, dimension }) => ({
    text: { shape: [classes, dimension], unit: true },
    weights: { shape: [classes, dimension] },
    bias: { shape: [classes] },
    alpha: WEIGHT,
    logitScale: SCALE,
  }),
  prepare: (state) => state,
  terms: (f, { text, logitScale, weights, bias, alpha }) => ({
    text: mul(matmulT(unit(f), text), logitScale), // [m, c]
    method: mul(linear(unit(f), weights, bias), alpha), // [m, c]
  }),
});

/** The search only needs different weights here, because the best weight is then computed exactly. */
const ALPHAS = [0.1, 1];

/** Takes `wanted` prompts of each class, by falling cosine, and starts again when all are taken. */
function nearest({ labels }: Samples, cosines: Float32Array, classes: number, wanted: number): number[] {
  const own: number[][] = Array.from({ length: classes }, () => []);
  labels.forEach((label, p) => {
    own[label]!.push(p);
  });
  return own.flatMap((prompts) => {
    const ranked = prompts.sort((a, b) => cosines[b]! - cosines[a]! || a - b);
    return ranked.length === 0 ? [] : Array.from({ length: wanted }, (_, i) => ranked[i % ranked.length]!);
  });
}

/** Cosine of each prompt with the mean picture of its class, [p]. */
function nearness(pictures: Samples, prompts: Samples, classes: number): Float32Array {
  const sums = matrix(classes, pictures.rows.cols);
  pictures.labels.forEach((label, i) => {
    addScaled(row(sums, label), row(pictures.rows, i), 1);
  });
  const means = unitRows(sums);
  return Float32Array.from(prompts.labels, (label, p) => dot(row(prompts.rows, p), row(means, label)));
}

/** W': unit sums of each class's prompts, weighted by softmax(gamma k / |k|), where k are their cosines; [c, d]. */
function guidedText(prompts: Samples, cosines: Float32Array, { weights }: TextHead, gamma: number): Matrix {
  const guided = matrix(weights.rows, weights.cols);
  for (let c = 0; c < weights.rows; c++) {
    const own = [...prompts.labels.keys()].filter((p) => prompts.labels[p] === c);
    const near = own.map((p) => cosines[p]!);
    const length = Math.hypot(...near) || 1;
    const shares = softmax(near.map((cosine) => (gamma * cosine) / length));
    own.forEach((p, i) => {
      addScaled(row(guided, c), row(prompts.rows, p), shares[i]!);
    });
  }
  return unitRows(guided);
}

function scaledRows(rows: Matrix, factors: Float32Array): Matrix {
  return matrix(
    rows.rows,
    rows.cols,
    rows.data.map((x, at) => x * factors[Math.floor(at / rows.cols)]!),
  );
}

function addScaled(target: Float32Array, values: Float32Array, factor: number): void {
  for (let j = 0; j < target.length; j++) target[j]! += factor * values[j]!;
}
