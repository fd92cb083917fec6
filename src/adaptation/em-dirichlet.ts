import { inTurns, type Pieces } from '../abort.ts';
import { logGammaAndDigamma } from '../math/gamma.ts';
import { argmax, logSumExp, type Matrix, matrix, row, softmax } from '../math/matrix.ts';
import { flag, integer, positive } from '../options.ts';
import { assignment } from './assignment.ts';
import { defineTransductive } from './method.ts';

/**
 * Updates of assignments and parameters, and of a class's parameters between two of them, with the squared relative change at which these end.
 * The published code ends at 1e-11 for all classes together, so that one whose parameters grow without bound holds up all of them.
 */
const ROUNDS = 20;
const STEPS = 1000;
const CHANGE = 1e-13;
/** Keeps logarithms finite, and is the mass below which a class is empty. */
const LEAST = 1e-15;

/**
 * EM-Dirichlet. The pictures' softened probabilities z [m, c] are points of the simplex, modelled by one Dirichlet distribution for each class.
 * Its parameters alpha [c, c] and the assignments u [m, c] minimise
 *
 *     -sum_ik u_ik log p(z_i; alpha_k) + sum_ik u_ik log u_ik - lambda sum_k pi_k log pi_k,   pi_k = mean_i u_ik,
 *
 * in turn: alpha by majorise-minimise steps, each the positive root of a quadratic equation, then
 *
 *     u_i ~ exp(log p(z_i; alpha_k) + lambda / |Q| (log pi_k + 1)).
 *
 * lambda / |Q| is the number of classes over the number that is expected among the pictures. At the end, clusters are matched one to one with
 * the classes that their pictures' z point to. Algorithm and constants are those of the published code for zero-shot tasks
 * (SegoleneMartin/transductive-CLIP), where z is the softmax of cosines times 30, which is .3 of CLIP's logits. A step costs c^2 evaluations
 * of ln Gamma and its derivative, of which there are up to 20,000.
 */
export const emDirichlet = defineTransductive({
  id: 'em-dirichlet',
  name: 'EM-Dirichlet',
  paper: 'Martin et al., CVPR 2024, arXiv 2405.18437',
  needs: [],
  options: {
    present: integer({
      default: 5,
      min: 1,
      help: 'Number of different classes that are expected among the pictures.',
    }),
    softness: positive({ default: 0.3, help: "Multiplier of the classifier's logits before the softmax." }),
    matching: flag({ default: true, help: 'Match clusters with classes one to one at the end.' }),
  },
  probabilities: ({ logits }, { present, softness, matching }, { signal }) =>
    inTurns(clustered(logits, { present: Math.min(present, logits.cols), softness, matching }), signal),
});

function* clustered(
  logits: Matrix,
  { present, softness, matching }: { present: number; softness: number; matching: boolean },
): Pieces<Matrix> {
  const { rows: pictures, cols: classes } = logits;
  const z = Array.from({ length: pictures }, (_, i) => softmax(row(logits, i), 1 / softness));
  const logs = z.map((p) => p.map((value) => Math.log(value + LEAST)));
  let u: readonly Float64Array[] = z;
  const alpha = Array.from({ length: classes }, () => new Float64Array(classes).fill(1));
  for (let round = 0; round < ROUNDS; round++) {
    const { means, mass } = yield* statistics(u, logs, classes);
    for (const [k, mean] of means.entries()) {
      // A class without pictures keeps its parameters.
      if (mass[k]! > LEAST) toLikeliest(alpha[k]!, mean);
      yield;
    }
    u = yield* assigned(
      logs,
      alpha,
      (k) => (classes / present) * (Math.log(mass[k]! / pictures + LEAST) + 1),
    );
  }
  const names = matching ? matched(u, z, classes) : Array.from({ length: classes }, (_, k) => k);
  const out = matrix(pictures, classes);
  u.forEach((values, i) => {
    names.forEach((name, k) => {
      out.data[i * classes + name] = values[k]!;
    });
  });
  return out;
}

/** Each class's mean of log z over its pictures, [c, c], and its number of pictures, [c]. */
function* statistics(
  u: readonly Float64Array[],
  logs: readonly Float64Array[],
  classes: number,
): Pieces<{ means: Float64Array[]; mass: Float64Array }> {
  const mass = new Float64Array(classes);
  const means = Array.from({ length: classes }, () => new Float64Array(classes));
  for (const [i, weights] of u.entries()) {
    const values = logs[i]!;
    for (let k = 0; k < classes; k++) {
      const weight = weights[k]!;
      mass[k]! += weight;
      // Weights below the square of double precision do not change a sum of logarithms.
      if (weight < 1e-32) continue;
      const mean = means[k]!;
      for (let j = 0; j < classes; j++) mean[j]! += weight * values[j]!;
    }
    yield;
  }
  means.forEach((mean, k) => {
    for (let j = 0; j < classes; j++) mean[j]! /= mass[k]!;
  });
  return { means, mass };
}

/**
 * Moves the parameters of one class, [c], to those that are likeliest for its mean of log z: steps in each of which ln Gamma(alpha + 1) is
 * replaced by a quadratic function above it, and ln Gamma of the sum by its tangent.
 */
function toLikeliest(alpha: Float64Array, mean: Float64Array): void {
  for (let step = 0; step < STEPS; step++) {
    let change = 0;
    let size = 0;
    const [, slopeOfSum] = logGammaAndDigamma(sum(alpha));
    for (let j = 0; j < alpha.length; j++) {
      const before = alpha[j]!;
      const [logGamma, slope] = logGammaAndDigamma(before + 1);
      const curvature =
        before > 1e-11 ? Math.abs((2 * (slope * before - logGamma)) / (before * before)) : Math.PI ** 2 / 6;
      const b = slope - slopeOfSum - curvature * before - mean[j]!;
      const after = (-b + Math.sqrt(b * b + 4 * curvature)) / (2 * curvature);
      alpha[j] = after;
      change += (after - before) ** 2;
      size += before ** 2;
    }
    if (change < CHANGE * size) return;
  }
}

/** Assignments of all pictures, [m, c], from log-densities and `prior(k)`. */
function* assigned(
  logs: readonly Float64Array[],
  alpha: readonly Float64Array[],
  prior: (k: number) => number,
): Pieces<Float64Array[]> {
  const constants = alpha.map((values, k) => {
    const [ofSum] = logGammaAndDigamma(sum(values));
    return prior(k) + values.reduce((total, value) => total - logGammaAndDigamma(value)[0], ofSum);
  });
  const out: Float64Array[] = [];
  for (const values of logs) {
    const scores = alpha.map((own, k) => {
      let density = constants[k]!;
      for (let j = 0; j < own.length; j++) density += (own[j]! - 1) * values[j]!;
      return density;
    });
    const total = logSumExp(scores);
    out.push(Float64Array.from(scores, (score) => Math.exp(score - total)));
    yield;
  }
  return out;
}

/**
 * The class of each cluster, [c]: clusters with pictures take the classes that their pictures' z point to, one each, and the others take
 * those that are left.
 */
function matched(u: readonly Float64Array[], z: readonly Float64Array[], classes: number): number[] {
  const members = new Map<number, { sum: Float64Array; count: number }>();
  u.forEach((values, i) => {
    const cluster = argmax(values);
    const found = members.get(cluster) ?? { sum: new Float64Array(classes), count: 0 };
    z[i]!.forEach((p, c) => {
      found.sum[c]! += p;
    });
    found.count++;
    members.set(cluster, found);
  });
  const clusters = [...members.keys()];
  const costs = [...members.values()].map(({ sum: total, count }) => total.map((value) => -value / count));
  const names = new Array<number>(classes).fill(-1);
  assignment(costs, classes).forEach((name, place) => {
    names[clusters[place]!] = name;
  });
  const taken = new Set(names);
  const left = Array.from({ length: classes }, (_, c) => c).filter((c) => !taken.has(c));
  return names.map((name) => (name < 0 ? left.shift()! : name));
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let j = 0; j < values.length; j++) total += values[j]!;
  return total;
}
