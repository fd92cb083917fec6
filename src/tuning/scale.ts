import { DataError } from '../errors.ts';
import { type Matrix, row } from '../math/matrix.ts';

/** Two weights (a, b) of two score matrices, and the mean negative log-likelihood they reach. */
export interface Weights {
  readonly a: number;
  readonly b: number;
  readonly nll: number;
}

interface Limits {
  /** a is at least b divided by this. */
  readonly maxRatio?: number;
  /** Where to start: the answer of a similar problem saves most of the steps. */
  readonly start?: { readonly a: number; readonly b: number };
}

/**
 * The weights a, b ≥ 0 that minimise the mean cross-entropy of softmax(a Z + b S): convex, so Newton's method finds the one
 * answer, exactly rather than on a grid. With Z the zero-shot logits and S the class sums of a cache, alpha is b / a and the
 * temperature 1 / a. Targets are smoothed by one label in n + 1, which keeps the answer finite when every row is right.
 *
 * @param z [n, c]; leave out for one matrix alone @param s [n, c] @param labels [n]
 * @throws DataError `tuning/not-a-number` where a score is not finite
 */
export function fitWeights(
  z: Matrix | undefined,
  s: Matrix,
  labels: ArrayLike<number>,
  { maxRatio = Number.POSITIVE_INFINITY, start = { a: 1, b: 0 } }: Limits = {},
): Weights {
  for (const scores of z ? [z, s] : [s]) demandFinite(scores);
  if (!z) {
    const { t, nll } = alongLine(s, labels, (b) => ({ a: 0, b }), undefined, start.b || 1);
    return { a: 0, b: t, nll };
  }
  const free = newton(z, s, labels, start);
  if (free.b >= 0 && free.a * maxRatio >= free.b && free.a > 0) return free;
  const textOnly = alongLine(s, labels, (a) => ({ a, b: 0 }), z);
  const steep = alongLine(s, labels, (b) => ({ a: b / maxRatio, b }), z);
  return textOnly.nll <= steep.nll
    ? { a: textOnly.t, b: 0, nll: textOnly.nll }
    : { a: steep.t / maxRatio, b: steep.t, nll: steep.nll };
}

/** No weight helps scores that are not finite, and a search among them would not end before its last step. */
function demandFinite({ data, cols }: Matrix): void {
  const at = data.findIndex((score) => !Number.isFinite(score));
  if (at < 0) return;
  const [index, column] = [Math.floor(at / cols), at % cols];
  throw new DataError(`The score of row ${index} for class ${column} is ${data[at]}`, {
    code: 'tuning/not-a-number',
    hint: 'Look for features that are zero or not finite, or for a learning rate at which training diverges.',
    details: { row: index, class: column, score: data[at] },
  });
}

const STEPS = 30;
const TINY = 1e-9;

interface Moments {
  nll: number;
  gradient: [number, number];
  /** Second derivatives aa, ab, bb. */
  curvature: [number, number, number];
}

/** Mean cross-entropy of a Z + b S with its first and second derivatives, in one pass. */
function moments(z: Matrix | undefined, s: Matrix, labels: ArrayLike<number>, a: number, b: number): Moments {
  const n = s.rows;
  const c = s.cols;
  const smoothing = 1 / (n + 1);
  const p = new Float64Array(c);
  const zero = new Float32Array(c);
  let nll = 0;
  let [ga, gb, haa, hab, hbb] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const zi = z ? row(z, i) : zero;
    const si = row(s, i);
    let top = Number.NEGATIVE_INFINITY;
    let [meanZ, meanS] = [0, 0];
    for (let j = 0; j < c; j++) {
      p[j] = a * zi[j] + b * si[j];
      if (p[j] > top) top = p[j];
      meanZ += zi[j];
      meanS += si[j];
    }
    meanZ /= c;
    meanS /= c;
    let total = 0;
    let [ez, es, ezz, ezs, ess] = [0, 0, 0, 0, 0];
    for (let j = 0; j < c; j++) {
      const w = Math.exp(p[j] - top);
      // Centred by the plain mean: the variances below are small differences of large numbers otherwise.
      const dz = zi[j] - meanZ;
      const ds = si[j] - meanS;
      total += w;
      ez += w * dz;
      es += w * ds;
      ezz += w * dz * dz;
      ezs += w * dz * ds;
      ess += w * ds * ds;
    }
    ez /= total;
    es /= total;
    const y = labels[i];
    const targetZ = (1 - smoothing) * (zi[y] - meanZ);
    const targetS = (1 - smoothing) * (si[y] - meanS);
    nll += top + Math.log(total) - a * (targetZ + meanZ) - b * (targetS + meanS);
    ga += ez - targetZ;
    gb += es - targetS;
    haa += ezz / total - ez * ez;
    hab += ezs / total - ez * es;
    hbb += ess / total - es * es;
  }
  return { nll: nll / n, gradient: [ga / n, gb / n], curvature: [haa / n, hab / n, hbb / n] };
}

/** Newton's method in (a, b), each step halved until it descends. */
function newton(z: Matrix, s: Matrix, labels: ArrayLike<number>, start: { a: number; b: number }): Weights {
  let { a, b } = start;
  let now = moments(z, s, labels, a, b);
  for (let step = 0; step < STEPS; step++) {
    const [ga, gb] = now.gradient;
    const [haa, hab, hbb] = now.curvature;
    const ridge = TINY * (haa + hbb) + Number.MIN_VALUE;
    const determinant = (haa + ridge) * (hbb + ridge) - hab * hab;
    const da = ((hbb + ridge) * ga - hab * gb) / determinant;
    const db = ((haa + ridge) * gb - hab * ga) / determinant;
    const expected = ga * da + gb * db;
    if (!(expected > 1e-10)) break;
    let size = 1;
    let next = moments(z, s, labels, a - da, b - db);
    while (!(next.nll <= now.nll - 1e-4 * size * expected) && size > 1e-6) {
      size /= 2;
      next = moments(z, s, labels, a - size * da, b - size * db);
    }
    a -= size * da;
    b -= size * db;
    now = next;
  }
  return { a, b, nll: now.nll };
}

/** The same in one number t ≥ 0, for a line through the (a, b) plane. */
function alongLine(
  s: Matrix,
  labels: ArrayLike<number>,
  point: (t: number) => { a: number; b: number },
  z: Matrix | undefined,
  start = 1,
): { t: number; nll: number } {
  const origin = point(0);
  const da = point(1).a - origin.a;
  const db = point(1).b - origin.b;
  const at = (t: number) => {
    const { a, b } = point(t);
    const { nll, gradient, curvature } = moments(z, s, labels, a, b);
    return {
      nll,
      slope: gradient[0] * da + gradient[1] * db,
      bend: curvature[0] * da * da + 2 * curvature[1] * da * db + curvature[2] * db * db,
    };
  };
  let t = start;
  let now = at(t);
  for (let step = 0; step < STEPS; step++) {
    const move = now.slope / (now.bend + Number.MIN_VALUE);
    if (Math.abs(now.slope * move) < 1e-10) break;
    let size = 1;
    // A step to or past zero is cut to nine tenths of the way: the end itself is reached in the limit.
    if (t - move < 0) size = t > 0 ? Math.min(1, (0.9 * t) / move) : 0;
    if (size === 0) break;
    let next = at(t - size * move);
    while (!(next.nll <= now.nll) && size > 1e-9) {
      size /= 2;
      next = at(t - size * move);
    }
    t -= size * move;
    now = next;
  }
  return { t, nll: now.nll };
}
