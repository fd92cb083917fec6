import { atOnce, inTurns, type Pieces } from '../abort.ts';
import type { Matrix } from '../math/matrix.ts';
import { type MomentsAt, NOISE, weightedCrossEntropy } from '../methods/weighted-cross-entropy.ts';

/** Two weights (a, b) of two score matrices, and the mean negative log-likelihood with them. */
export interface Weights {
  readonly a: number;
  readonly b: number;
  readonly nll: number;
}

/** Bounds of the weights, and the start of their search. */
export interface Limits {
  /** a is at least b divided by this. */
  readonly maxRatio?: number;
  /** Start values. The solution of a similar problem saves most of the steps. */
  readonly start?: { readonly a: number; readonly b: number };
}

/**
 * The weights a, b ≥ 0 that minimise the mean cross-entropy of softmax(a Z + b S). The problem is convex, so Newton's method finds the
 * solution without a grid. If Z are the zero-shot logits and S the class sums of a cache, alpha is b / a and the temperature 1 / a. Targets
 * are smoothed by one label in n + 1, which keeps the solution finite if every row is correct.
 *
 * @param z [n, c]; leave it out for a single matrix
 * @param s [n, c]
 * @param labels [n]
 * @throws DataError `tuning/not-a-number` if a score is not finite
 */
export function fitWeights(
  z: Matrix | undefined,
  s: Matrix,
  labels: ArrayLike<number>,
  limits: Limits = {},
): Weights {
  return atOnce(searchWeights(z, s, labels, limits));
}

/** The same without blocking the thread for long. Throws `InterruptedError` when the signal fires. */
export function fitWeightsInTurns(
  z: Matrix | undefined,
  s: Matrix,
  labels: ArrayLike<number>,
  { signal, ...limits }: Limits & { signal?: AbortSignal } = {},
): Promise<Weights> {
  return inTurns(searchWeights(z, s, labels, limits), signal);
}

/**
 * The least difference between the scores of a row. If scores are no better than chance, the best weights are 0. Rounded to single
 * precision, the scores would then be equal, and every answer would be the first class.
 */
const LEAST_SPREAD = 0.01;

/** Scores that are smaller than others by this factor have no visible effect. */
const NEGLIGIBLE = 1e-3;

/**
 * The ratio of the weights of S and Z beyond which Z has no visible effect. As a bound for alpha, it does not depend on the units of the
 * scores.
 */
export function largestRatio(z: Matrix, s: Matrix): number {
  const [of, to] = [deviation(z), deviation(s)];
  return of > 0 && to > 0 ? of / to / NEGLIGIBLE : 1 / NEGLIGIBLE;
}

/** Root mean square of scores around the mean of their row. */
function deviation({ rows, cols, data }: Matrix): number {
  let squares = 0;
  for (let start = 0; start < data.length; start += cols) {
    let sum = 0;
    let own = 0;
    for (let i = start; i < start + cols; i++) {
      sum += data[i]!;
      own += data[i]! ** 2;
    }
    squares += Math.max(0, own - sum ** 2 / cols);
  }
  return Math.sqrt(squares / (rows * cols));
}

/** The same as a generator that pauses between pieces of work. */
export function* searchWeights(
  z: Matrix | undefined,
  s: Matrix,
  labels: ArrayLike<number>,
  limits: Limits = {},
): Pieces<Weights> {
  const at = weightedCrossEntropy(z ?? s, s, labels, 1 / (s.rows + 1));
  const found = yield* leastCrossEntropy(at, z !== undefined, limits);
  // Scores that differ by less than the least spread are within this distance of chance.
  if (found.nll < Math.log(s.cols) - LEAST_SPREAD) return found;
  const spread = largestSpread(found.a, z ?? s, found.b, s);
  if (spread === 0 || spread >= LEAST_SPREAD) return found;
  const a = (found.a * LEAST_SPREAD) / spread;
  const b = (found.b * LEAST_SPREAD) / spread;
  return { a, b, nll: (yield* at(a, b)).nll };
}

/** The largest difference between two scores of one row, of a Z + b S. */
function largestSpread(a: number, z: Matrix, b: number, s: Matrix): number {
  let spread = 0;
  for (let start = 0; start < s.data.length; start += s.cols) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = start; i < start + s.cols; i++) {
      const score = a * z.data[i]! + b * s.data[i]!;
      low = Math.min(low, score);
      high = Math.max(high, score);
    }
    spread = Math.max(spread, high - low);
  }
  return spread;
}

function* leastCrossEntropy(
  at: MomentsAt,
  isPair: boolean,
  { maxRatio = Number.POSITIVE_INFINITY, start = { a: 1, b: 0 } }: Limits,
): Pieces<Weights> {
  if (!isPair) {
    const { t, nll } = yield* alongLine(at, (b) => ({ a: 0, b }), start.b || 1);
    return { a: 0, b: t, nll };
  }
  const free = yield* newton(at, start);
  if (free.b >= 0 && free.a * maxRatio >= free.b && free.a > 0) return free;
  const textOnly = yield* alongLine(at, (a) => ({ a, b: 0 }));
  const steep = yield* alongLine(at, (b) => ({ a: b / maxRatio, b }));
  return textOnly.nll <= steep.nll
    ? { a: textOnly.t, b: 0, nll: textOnly.nll }
    : { a: steep.t / maxRatio, b: steep.t, nll: steep.nll };
}

const STEPS = 30;
const TINY = 1e-9;
/** The smallest gain that is worth a step, in nats. */
const LEAST = 1e-8;

/**
 * Newton's method in (a, b). Each step is halved until it descends. If no step descends, because overconfident scores have hardly any
 * curvature, the best multiple of (a, b) is searched first.
 */
function* newton(at: MomentsAt, start: { a: number; b: number }): Pieces<Weights> {
  let { a, b } = start;
  let now = yield* at(a, b);
  for (let step = 0; step < STEPS; step++) {
    const [ga, gb] = now.gradient;
    const [haa, hab, hbb] = now.curvature;
    const ridge = TINY * (haa + hbb) + Number.MIN_VALUE;
    const determinant = (haa + ridge) * (hbb + ridge) - hab * hab;
    const da = ((hbb + ridge) * ga - hab * gb) / determinant;
    const db = ((haa + ridge) * gb - hab * ga) / determinant;
    const expected = ga * da + gb * db;
    if (expected <= LEAST) break;
    let size = 1;
    let next = yield* at(a - da, b - db);
    while (!(next.nll <= now.nll - 1e-4 * size * expected + NOISE) && size > 1e-6) {
      size /= 2;
      next = yield* at(a - size * da, b - size * db);
    }
    if (size > 1e-6) {
      a -= size * da;
      b -= size * db;
      now = next;
      continue;
    }
    const { t, nll } = yield* alongLine(at, (length) => ({ a: length * a, b: length * b }));
    if (!(nll < now.nll - LEAST)) break;
    [a, b] = [t * a, t * b];
    now = yield* at(a, b);
  }
  return { a, b, nll: now.nll };
}

/** The same for one number t ≥ 0, along a line in the (a, b) plane. */
function* alongLine(
  moments: MomentsAt,
  point: (t: number) => { a: number; b: number },
  start = 1,
): Pieces<{ t: number; nll: number }> {
  const origin = point(0);
  const da = point(1).a - origin.a;
  const db = point(1).b - origin.b;
  const at = function* (t: number) {
    const { a, b } = point(t);
    const { nll, gradient, curvature } = yield* moments(a, b);
    return {
      nll,
      slope: gradient[0] * da + gradient[1] * db,
      bend: curvature[0] * da * da + 2 * curvature[1] * da * db + curvature[2] * db * db,
    };
  };
  let t = start;
  let now = yield* at(t);
  // The minimum is between `low` and `high`, because a convex function falls towards it from both sides.
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  for (let step = 0; step < STEPS; step++) {
    const move = now.slope / (now.bend + Number.MIN_VALUE);
    if (Math.abs(now.slope * move) < LEAST) break;
    if (now.slope > 0) high = t;
    else low = t;
    let next = t - move;
    // If all rows are certain, the curvature is 0 and the step has no length. Near the end of the range, which is 0, the step leads beyond
    // it.
    if (!(next > low && next < high)) next = high < Number.POSITIVE_INFINITY ? between(low, high) : 10 * t;
    if (next === t) break;
    t = next;
    now = yield* at(t);
  }
  return { t, nll: now.nll };
}

/** A point between two numbers whose sizes may differ widely. */
function between(low: number, high: number): number {
  return low > 0 ? Math.sqrt(low * high) : high / 10;
}
