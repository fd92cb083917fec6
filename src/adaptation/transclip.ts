import { inTurns, type Pieces } from '../abort.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { type Matrix, matrix, row, softmaxRows, topK, unitRows } from '../math/matrix.ts';
import { keysOf } from '../methods/task.ts';
import { real } from '../options.ts';
import { defineTransductive } from './method.ts';
import { type Neighbour, nearest } from './neighbours.ts';

/** Neighbours of each picture, and pictures of each class that its mean starts from. */
const NEIGHBOURS = 3;
const CONFIDENT = 8;
/** Updates of means and variance, and of the assignments between two of them. */
const ROUNDS = 10;
const SWEEPS = 5;
/** The published code divides log-likelihoods by 50, whatever the number of pictures, where the paper has 1/|Q|. */
const LIKELIHOOD = 1 / 50;
/** Least variance of a coordinate, as a share of the first one: pictures that are all equal have none. */
const LEAST = 1e-4;

/**
 * TransCLIP. Assignments z [m, c], class means mu [c, d] and one diagonal covariance S [d] maximise, by block majorise-minimise,
 *
 *     1/|Q| sum_i z_i . log N(f_i; mu, S) + sum_ij w_ij z_i . z_j - sum_i KL_lambda(z_i || y_i) + gamma/|S| sum_s log N(f_s; mu_y, S),
 *
 * where y are the classifier's probabilities, w are the cosines of nearest neighbours, and s are the examples. Its updates are
 *
 *     z_i ~ y_i^lambda exp(log N(f_i; mu, S) + sum_j w_ij z_j),  mu_k ~ sum_i z_ik f_i + gamma sum_s f_s,  S = weighted mean of (f - mu)^2
 *
 * Without examples (gamma 0) this is TransCLIP-ZS, which the paper also puts on top of few-shot methods. Constants are those of the published
 * code (MaxZanella/transduction-for-vlms). With examples, that code orders the rows of w otherwise than those of z; here both have one order.
 */
export const transClip = defineTransductive({
  id: 'transclip',
  name: 'TransCLIP',
  paper: 'Zanella et al., NeurIPS 2024, arXiv 2406.01837',
  needs: [],
  options: {
    strength: real({
      default: 1,
      min: 0,
      help: "Weight of the classifier's own answers (lambda).",
    }),
    examples: real({
      default: 0,
      min: 0,
      help: 'Weight of the labelled examples beside the pictures (gamma).',
    }),
  },
  probabilities: ({ task, features, logits }, { strength, examples }, { engine, signal }) => {
    const { support } = task;
    const isUsed = examples > 0 && support.labels.length > 0;
    const labelled = isUsed ? { rows: keysOf(support), labels: support.labels } : undefined;
    const solved = async (products: Products) => {
      const links = await nearest(features, features, NEIGHBOURS, products);
      const linked = labelled && (await nearest(labelled.rows, features, NEIGHBOURS, products));
      const graph = { links, linked, labels: support.labels };
      let z = softmaxRows(logits);
      let mixture: Mixture = {
        means: await inTurns(firstMeans(z, features, labelled), signal),
        variance: new Float64Array(features.cols).fill(1 / features.cols),
      };
      for (let round = 0; ; round++) {
        const likelihood = await logLikelihood(features, mixture, products);
        z = await inTurns(assigned(z, { logits, likelihood, strength, graph }), signal);
        if (round === ROUNDS) return z;
        const sums = await products.transposedProduct(z, features);
        mixture = await inTurns(mixtureOf(z, features, { sums, labelled, weight: 50 * examples }), signal);
      }
    };
    return withProducts(engine, solved, signal);
  },
});

/** Unit class means [c, d] and the variance of each coordinate [d]. */
interface Mixture {
  readonly means: Matrix;
  readonly variance: Float64Array;
}

interface Graph {
  /** Nearest pictures of each picture, and of each example if examples are used. */
  readonly links: readonly (readonly Neighbour[])[];
  readonly linked?: readonly (readonly Neighbour[])[];
  readonly labels: Int32Array;
}

/** Labelled examples that are used beside the pictures: unit rows [n, d] and their classes [n]. */
interface Labelled {
  readonly rows: Matrix;
  readonly labels: Int32Array;
}

/**
 * The class means [c, d] to start from, unit rows: of the examples, or of the pictures that are most probably of the class, weighted by that
 * probability.
 */
function* firstMeans(z: Matrix, features: Matrix, labelled?: Labelled): Pieces<Matrix> {
  const means = matrix(z.cols, features.cols);
  labelled?.labels.forEach((label, s) => {
    addScaled(row(means, label), row(labelled.rows, s), 1);
  });
  const column = new Float32Array(z.rows);
  for (let c = 0; c < z.cols; c++) {
    if (labelled?.labels.includes(c)) continue;
    for (let i = 0; i < z.rows; i++) column[i] = z.data[i * z.cols + c]!;
    for (const i of topK(column, CONFIDENT)) addScaled(row(means, c), row(features, i), column[i]!);
    yield;
  }
  return unitRows(means);
}

/**
 * log N(f; mu, S) without the terms that are the same for all classes of a picture: f . mu / S [m, c], and |mu|^2 / 2 S [c], which is to be
 * subtracted.
 */
interface Likelihood {
  readonly products: Matrix;
  readonly halves: Float64Array;
}

async function logLikelihood(
  features: Matrix,
  { means, variance }: Mixture,
  products: Products,
): Promise<Likelihood> {
  const scaled = matrix(means.rows, means.cols);
  const halves = new Float64Array(means.rows);
  for (let c = 0; c < means.rows; c++) {
    const [mean, target] = [row(means, c), row(scaled, c)];
    for (let j = 0; j < mean.length; j++) {
      const value = mean[j]! / variance[j]!;
      target[j] = value;
      halves[c]! += (mean[j]! * value) / 2;
    }
  }
  return { products: await products.productT(features, scaled), halves };
}

/** The assignments [m, c] after some sweeps, in each of which all rows change together. */
function* assigned(
  z: Matrix,
  given: { logits: Matrix; likelihood: Likelihood; strength: number; graph: Graph },
): Pieces<Matrix> {
  const { logits, likelihood, strength, graph } = given;
  const { products, halves } = likelihood;
  let now = z;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const sums = yield* votes(now, graph);
    const next = matrix(z.rows, z.cols);
    for (let i = 0; i < z.rows; i++) {
      const [own, likely, vote] = [row(logits, i), row(products, i), row(sums, i)];
      for (let c = 0; c < vote.length; c++)
        vote[c]! += strength * own[c]! + LIKELIHOOD * (likely[c]! - halves[c]!);
      softmaxInto(vote, row(next, i));
      if (i % 64 === 63) yield;
    }
    now = next;
  }
  return now;
}

/** The assignments of each picture's neighbours, [m, c]: the mean of w z over both directions of the graph. */
function* votes(z: Matrix, { links, linked, labels }: Graph): Pieces<Matrix> {
  const out = matrix(z.rows, z.cols);
  const weight = 1 / (2 * NEIGHBOURS);
  for (const [i, found] of links.entries()) {
    for (const { index, cosine } of found) {
      addScaled(row(out, i), row(z, index), weight * cosine);
      addScaled(row(out, index), row(z, i), weight * cosine);
    }
    if (i % 256 === 255) yield;
  }
  for (const [s, found] of (linked ?? []).entries()) {
    for (const { index, cosine } of found) out.data[index * z.cols + labels[s]!]! += weight * cosine;
  }
  return out;
}

/** Means and variance of the assigned pictures and the labelled examples. `sums` is z^T f, [c, d]. */
function* mixtureOf(
  z: Matrix,
  features: Matrix,
  given: { sums: Matrix; labelled?: Labelled; weight: number },
): Pieces<Mixture> {
  const { sums, labelled, weight } = given;
  const share = 1 / features.rows;
  const total = matrix(sums.rows, sums.cols);
  for (let k = 0; k < total.data.length; k++) total.data[k] = share * sums.data[k]!;
  const mass = new Float64Array(z.cols);
  const squares = new Float64Array(features.cols);
  const addSquares = (values: Float32Array, scale: number) => {
    for (let j = 0; j < values.length; j++) squares[j]! += scale * values[j]! * values[j]!;
  };
  for (let i = 0; i < features.rows; i++) {
    addSquares(row(features, i), share);
    for (let c = 0; c < z.cols; c++) mass[c]! += share * z.data[i * z.cols + c]!;
    if (i % 256 === 255) yield;
  }
  const each = labelled ? weight / labelled.rows.rows : 0;
  for (const [s, label] of (labelled?.labels ?? new Int32Array()).entries()) {
    const values = row(labelled!.rows, s);
    addScaled(row(total, label), values, each);
    addSquares(values, each);
    mass[label]! += each;
  }
  const means = unitRows(total);
  // sum of weight (f - mu)^2 = sum of weight f^2 - 2 mu . sum of weight f + mu^2 sum of weight.
  const variance = squares;
  for (let c = 0; c < means.rows; c++) {
    const [mean, sum] = [row(means, c), row(total, c)];
    for (let j = 0; j < mean.length; j++) variance[j]! += mean[j]! * (mass[c]! * mean[j]! - 2 * sum[j]!);
  }
  const all = mass.reduce((a, b) => a + b, 0);
  const least = LEAST / features.cols;
  return { means, variance: variance.map((value) => Math.max(value / all, least)) };
}

/** Softmax without memory of its own, because it is computed for each picture in each sweep. */
function softmaxInto(values: Float32Array, target: Float32Array): void {
  let max = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < values.length; c++) if (values[c]! > max) max = values[c]!;
  let total = 0;
  for (let c = 0; c < values.length; c++) {
    const value = Math.exp(values[c]! - max);
    target[c] = value;
    total += value;
  }
  for (let c = 0; c < values.length; c++) target[c]! /= total;
}

function addScaled(target: Float32Array, values: Float32Array, scale: number): void {
  for (let j = 0; j < values.length; j++) target[j]! += scale * values[j]!;
}
