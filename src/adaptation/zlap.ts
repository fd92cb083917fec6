import { inTurns, type Pieces } from '../abort.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { logSumExp, type Matrix, matrix, row, softmax, topK } from '../math/matrix.ts';
import type { TextHead } from '../methods/task.ts';
import { integer, positive, real } from '../options.ts';
import { defineTransductive } from './method.ts';
import { type Neighbour, nearest } from './neighbours.ts';

/** Conjugate gradients end at this residual, or after so many steps. The published code has 1e-6 and 50. */
const RESIDUAL = 1e-9;
const STEPS = 100;

/**
 * ZLaP, transductive label propagation. Classes and pictures are the nodes of a graph. A picture is joined to its nearest pictures by their
 * cosines, and to its nearest classes by their cosines to the power gamma. With W the sum of these weights and their transpose, and D its row
 * sums, the scores of class c are
 *
 *     (I - alpha D^-1/2 W D^-1/2)^-1 e_c
 *
 * at the pictures (Zhou et al., NeurIPS 2003), by conjugate gradients. Constants are those of the published code (vladan-stojnic/ZLaP), which
 * counts a picture among its own k nearest. On top of a classifier other than zero-shot, the cosine of a picture and a class is replaced by
 * the one with which zero-shot would have the classifier's probabilities. The answer is the picture's scores divided by their sum.
 */
export const zlap = defineTransductive({
  id: 'zlap',
  name: 'ZLaP',
  paper: 'Stojnić et al., CVPR 2024, arXiv 2404.04072',
  needs: ['text'],
  options: {
    neighbours: integer({
      default: 5,
      min: 2,
      help: 'Number of nearest pictures, the picture itself among them, and of nearest classes.',
    }),
    gamma: positive({ default: 5, help: 'Power of the cosines of pictures and classes.' }),
    alpha: real({ default: 0.3, min: 0, max: 0.99, help: 'How far labels propagate.' }),
  },
  probabilities: ({ task, features, logits }, { neighbours, gamma, alpha }, { engine, signal }) =>
    withProducts(
      engine,
      async (products) => {
        const head = task.head!;
        const near = await nearest(features, features, neighbours - 1, products);
        const cosines = await products.productT(features, head.weights);
        const given = { near, cosines, logits, head, neighbours, gamma };
        const graph = await inTurns(graphOf(given), signal);
        return inTurns(propagated(graph, { classes: task.classes, logits, alpha }), signal);
      },
      signal,
    ),
});

/** The normalised graph of c classes, then m pictures. */
function* graphOf(given: {
  readonly near: readonly (readonly Neighbour[])[];
  /** Of pictures and classes, [m, c]. */
  readonly cosines: Matrix;
  readonly logits: Matrix;
  readonly head: TextHead;
  readonly neighbours: number;
  readonly gamma: number;
}): Pieces<Product> {
  const { near, cosines, logits, head, neighbours, gamma } = given;
  const classes = cosines.cols;
  const graph = sparse(classes + cosines.rows);
  for (const [i, found] of near.entries()) {
    for (const { index, cosine } of found) graph.join(classes + i, classes + index, cosine);
    const own = likeZeroShot(row(cosines, i), row(logits, i), head.logitScale);
    for (const c of topK(own, neighbours)) graph.join(classes + i, c, Math.max(own[c]!, 0) ** gamma);
    if (i % 64 === 63) yield;
  }
  return graph.normalised();
}

/**
 * The cosines of a picture and the classes with which zero-shot would have the classifier's probabilities, [c]: they differ from the true ones
 * by the difference of the log-probabilities over the logit scale.
 */
function likeZeroShot(cosines: Float32Array, logits: Float32Array, scale: number): Float32Array {
  const shift = logSumExp(cosines.map((cosine) => scale * cosine)) - logSumExp(logits);
  return logits.map((logit) => (logit + shift) / scale);
}

/** Multiplies by a symmetric matrix. */
type Product = (x: Float64Array) => Float64Array;

/** A symmetric sparse matrix [n, n] that is built edge by edge. */
function sparse(n: number) {
  const from: number[] = [];
  const to: number[] = [];
  const weights: number[] = [];
  return {
    /** Adds `weight` to both (i, j) and (j, i). A weight below 0 counts as 0, and a node is not joined to itself. */
    join(i: number, j: number, weight: number): void {
      if (i === j || weight <= 0) return;
      from.push(i);
      to.push(j);
      weights.push(weight);
    },
    /** Multiplication by D^-1/2 W D^-1/2. A node without edges has a row of zeros. */
    normalised(): Product {
      const sums = new Float64Array(n);
      weights.forEach((weight, e) => {
        sums[from[e]!]! += weight;
        sums[to[e]!]! += weight;
      });
      const scaled = weights.map((weight, e) => weight / Math.sqrt(sums[from[e]!]! * sums[to[e]!]!));
      return (x) => {
        const out = new Float64Array(n);
        for (let e = 0; e < scaled.length; e++) {
          const [i, j, weight] = [from[e]!, to[e]!, scaled[e]!];
          out[i]! += weight * x[j]!;
          out[j]! += weight * x[i]!;
        }
        return out;
      };
    },
  };
}

/** The probabilities [m, c]. A picture that no class reaches keeps the classifier's answer. */
function* propagated(
  product: Product,
  { classes, logits, alpha }: { classes: number; logits: Matrix; alpha: number },
): Pieces<Matrix> {
  const out = matrix(logits.rows, classes);
  for (let c = 0; c < classes; c++) {
    const label = new Float64Array(classes + logits.rows);
    label[c] = 1;
    const scores = yield* solved(product, alpha, label);
    for (let i = 0; i < logits.rows; i++) out.data[i * classes + c] = Math.max(0, scores[classes + i]!);
  }
  for (let i = 0; i < logits.rows; i++) {
    const scores = row(out, i);
    const total = scores.reduce((a, b) => a + b, 0);
    scores.set(total > 0 ? scores.map((score) => score / total) : softmax(row(logits, i)));
  }
  return out;
}

/** x of (I - alpha A) x = b by conjugate gradients (Hestenes and Stiefel 1952). */
function* solved(product: Product, alpha: number, b: Float64Array): Pieces<Float64Array> {
  const x = new Float64Array(b.length);
  const residual = b.slice();
  let direction = b.slice();
  let square = dotOf(residual, residual);
  for (let step = 0; step < STEPS && Math.sqrt(square) > RESIDUAL; step++) {
    const image = product(direction);
    for (let i = 0; i < image.length; i++) image[i] = direction[i]! - alpha * image[i]!;
    const length = square / dotOf(direction, image);
    for (let i = 0; i < x.length; i++) {
      x[i]! += length * direction[i]!;
      residual[i]! -= length * image[i]!;
    }
    const next = dotOf(residual, residual);
    const before = direction;
    direction = residual.map((value, i) => value + (next / square) * before[i]!);
    square = next;
    yield;
  }
  return x;
}

function dotOf(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}
