import { mul } from '../graph/elementwise.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { concatRows, dot, type Matrix, matrix, row, softmax, unitRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { real } from '../options.ts';
import { gaussianHead, SHRINKAGE } from './gda.ts';
import { defineMethod, SCALE, WEIGHT } from './method.ts';
import { type Samples, samplesOf } from './samples.ts';
import type { TextHead } from './task.ts';

/**
 * TIMO: image and text guide each other (Li et al., AAAI 2025, arXiv 2412.11375). Prompts are weighted by how near they are to their
 * class's mean picture (image-guided text), and prompts, each scaled by that cosine, join the pictures as samples of Gaussian
 * discriminant analysis (text-guided image). scores = s f W'^T + alpha (f w + b). The paper searches alpha; gamma is 50, but 1 for
 * ImageNet and 100 for Flowers.
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
  },
  fit: async ({ support, head, classes, engine, signal }, { alpha, gamma, shrinkage }) => {
    const pictures = samplesOf(support);
    const prompts: Samples = { rows: unitRows(head.promptFeatures), labels: head.promptClass };
    const cosines = nearness(pictures, prompts, classes);
    const both: Samples = {
      rows: concatRows([pictures.rows, scaledRows(prompts.rows, cosines)]),
      labels: Int32Array.from([...pictures.labels, ...prompts.labels]),
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

/** Cosine of each prompt with its class's mean picture, [p]. */
function nearness(pictures: Samples, prompts: Samples, classes: number): Float32Array {
  const sums = matrix(classes, pictures.rows.cols);
  pictures.labels.forEach((label, i) => {
    addScaled(row(sums, label), row(pictures.rows, i), 1);
  });
  const means = unitRows(sums);
  return Float32Array.from(prompts.labels, (label, p) => dot(row(prompts.rows, p), row(means, label)));
}

/** W': unit sums of each class's prompts, weighted by softmax(gamma k / |k|), k their cosines; [c, d]. */
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
