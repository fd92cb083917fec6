import type { Pieces } from '../abort.ts';

/** Rows of scores [n, c], row-major, and the class of each row [n]. */
export interface LabelledScores {
  readonly scores: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}

/** The expected value of a number and its standard deviation. For a scale, the deviation is that of its logarithm. */
export interface Expected {
  readonly value: number;
  readonly deviation: number;
}

/** The best scale and weight, and the loss there: the mean negative log-likelihood plus the priors divided by n. */
export interface LikelyScales {
  readonly weight: number;
  readonly scale: number;
  readonly loss: number;
}

/** Other scores, which are added with a weight of 0 or more. The weight is expected to be `value`, and `deviation` is relative to it. */
export interface Beside {
  readonly scores: ArrayLike<number>;
  readonly expected: Expected;
}

/** The largest distance of a scale's logarithm from the expected one. */
const FURTHEST = 9;
const STEPS = 60;
const ENOUGH = 1e-10;

/**
 * The scale k, and the weight b of the scores beside, that are most likely: the minimum of n NLL(b A + k Z) + (b / b' - 1)^2 / (2 s_b^2) +
 * ln(k / k')^2 / (2 s_k^2), by Newton's method on (b / b', ln(k / k')).
 */
export function* likelyScales(
  { scores, labels }: LabelledScores,
  expected: Expected,
  beside?: Beside,
): Pieces<LikelyScales> {
  const n = labels.length;
  const at = function* (x: number, y: number): Pieces<Point> {
    const [weight, scale] = [x * (beside?.expected.value ?? 0), expected.value * Math.exp(y)];
    const moments = yield* crossEntropy({ scores, labels }, scale, beside?.scores, weight);
    const by = [beside?.expected.value ?? 0, scale] as const;
    const [sx, sy] = [beside?.expected.deviation ?? 1, expected.deviation].map((s) => 1 / (n * s * s));
    const slopeY = by[1] * moments.slope[1];
    return {
      x,
      y,
      loss: moments.nll + (sx! * (x - 1) ** 2) / 2 + (sy! * y ** 2) / 2,
      slope: [by[0] * moments.slope[0] + sx! * (x - 1), slopeY + sy! * y],
      bend: [
        by[0] * by[0] * moments.bend[0] + sx!,
        by[0] * by[1] * moments.bend[1],
        // A negative slope is left out of the second derivative by the logarithm, so that the problem stays convex.
        by[1] * by[1] * moments.bend[2] + Math.max(0, slopeY) + sy!,
      ],
    };
  };
  let now = yield* at(1, 0);
  for (let step = 0; step < STEPS; step++) {
    const move = newtonStep(now);
    let next = now;
    let length = 1;
    // The step is halved until it lowers the loss.
    for (; length > 1e-6; length /= 2) {
      next = yield* at(
        Math.max(0, now.x - length * move[0]),
        Math.min(FURTHEST, Math.max(-FURTHEST, now.y - length * move[1])),
      );
      if (next.loss <= now.loss) break;
    }
    const gain = now.loss - next.loss;
    if (gain >= 0) now = next;
    if (!(gain > ENOUGH)) break;
  }
  return {
    weight: now.x * (beside?.expected.value ?? 0),
    scale: expected.value * Math.exp(now.y),
    loss: now.loss,
  };
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly loss: number;
  readonly slope: readonly [number, number];
  readonly bend: readonly [number, number, number];
}

interface Moments {
  readonly nll: number;
  readonly slope: readonly [number, number];
  readonly bend: readonly [number, number, number];
}

/** Newton's step. If the weight is 0 and would fall further, only the scale moves. */
function newtonStep({ x, slope, bend }: Point): [number, number] {
  const [xx, xy, yy] = bend;
  if (x === 0 && slope[0] > 0) return [0, slope[1] / yy];
  const determinant = xx * yy - xy * xy;
  return [(slope[0] * yy - slope[1] * xy) / determinant, (slope[1] * xx - slope[0] * xy) / determinant];
}

/** Numbers of each matrix that are processed before other work has its turn. */
const PIECE = 1 << 17;

/** Mean negative log-likelihood of weight A + scale Z, with its derivatives by weight and scale. */
function* crossEntropy(
  { scores, labels }: LabelledScores,
  scale: number,
  beside: ArrayLike<number> | undefined,
  weight: number,
): Pieces<Moments> {
  const n = labels.length;
  const c = scores.length / n;
  const logits = new Float64Array(c);
  let nll = 0;
  const slope: [number, number] = [0, 0];
  const bend: [number, number, number] = [0, 0, 0];
  const rest = Math.max(1, Math.floor(PIECE / c));
  for (let i = 0; i < n; i++) {
    if (i % rest === 0) yield;
    const start = i * c;
    let top = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < c; k++) {
      const logit = scale * scores[start + k]! + (beside ? weight * beside[start + k]! : 0);
      logits[k] = logit;
      if (logit > top) top = logit;
    }
    let total = 0;
    let a = 0;
    let z = 0;
    let aa = 0;
    let az = 0;
    let zz = 0;
    for (let k = 0; k < c; k++) {
      const p = Math.exp(logits[k]! - top);
      const own = scores[start + k]!;
      total += p;
      z += p * own;
      zz += p * own * own;
      if (!beside) continue;
      const other = beside[start + k]!;
      a += p * other;
      aa += p * other * other;
      az += p * other * own;
    }
    const truth = start + labels[i]!;
    nll += (top + Math.log(total) - logits[labels[i]!]!) / n;
    slope[0] += (a / total - (beside?.[truth] ?? 0)) / n;
    slope[1] += (z / total - scores[truth]!) / n;
    bend[0] += (aa / total - (a / total) ** 2) / n;
    bend[1] += (az / total - (a / total) * (z / total)) / n;
    bend[2] += (zz / total - (z / total) ** 2) / n;
  }
  return { nll, slope, bend };
}
