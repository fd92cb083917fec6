import { inTurns, type Pieces } from '../abort.ts';
import type { Matrix } from '../math/matrix.ts';
import { NOISE, weightedCrossEntropy } from './weighted-cross-entropy.ts';

/** Rows of scores [n, c], row-major, and the class of each row [n]. */
export interface LabelledScores {
  readonly scores: Float32Array | Float64Array;
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
  readonly scores: Float32Array | Float64Array;
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
  const matrixOf = (data: Float32Array | Float64Array) => ({ rows: n, cols: data.length / n, data });
  const entropy = weightedCrossEntropy(matrixOf(beside?.scores ?? scores), matrixOf(scores), labels);
  const at = function* (x: number, y: number): Pieces<Point> {
    const [weight, scale] = [x * (beside?.expected.value ?? 0), expected.value * Math.exp(y)];
    const { nll, gradient, curvature } = yield* entropy(weight, scale);
    const by = [beside?.expected.value ?? 0, scale] as const;
    const [sx, sy] = [beside?.expected.deviation ?? 1, expected.deviation].map((s) => 1 / (n * s * s));
    const slopeY = by[1] * gradient[1];
    return {
      x,
      y,
      loss: nll + (sx! * (x - 1) ** 2) / 2 + (sy! * y ** 2) / 2,
      slope: [by[0] * gradient[0] + sx! * (x - 1), slopeY + sy! * y],
      bend: [
        by[0] * by[0] * curvature[0] + sx!,
        by[0] * by[1] * curvature[1],
        // A negative slope is left out of the second derivative by the logarithm, so that the problem stays convex.
        by[1] * by[1] * curvature[2] + Math.max(0, slopeY) + sy!,
      ],
    };
  };
  let now = yield* at(1, 0);
  for (let step = 0; step < STEPS; step++) {
    const move = newtonStep(now);
    // The expected decrease decides, because differences of the loss are below its rounding error near the minimum.
    if (!(now.slope[0] * move[0] + now.slope[1] * move[1] > ENOUGH)) break;
    let next = now;
    let length = 1;
    // The step is halved until it does not raise the loss by more than its rounding error.
    for (; length > 1e-6; length /= 2) {
      next = yield* at(
        Math.max(0, now.x - length * move[0]),
        Math.min(FURTHEST, Math.max(-FURTHEST, now.y - length * move[1])),
      );
      if (next.loss <= now.loss + NOISE) break;
    }
    if (length <= 1e-6 || (next.x === now.x && next.y === now.y)) break;
    now = next;
  }
  return {
    weight: now.x * (beside?.expected.value ?? 0),
    scale: expected.value * Math.exp(now.y),
    loss: now.loss,
  };
}

/** The scale of zero-shot logits [n, c] that is most likely on the examples, under the prior that it is 1 within a factor of e. */
export async function zeroShotScale(
  zeroShot: Matrix,
  labels: Int32Array,
  signal?: AbortSignal,
): Promise<number> {
  const expected = { value: 1, deviation: 1 };
  return (await inTurns(likelyScales({ scores: zeroShot.data, labels }, expected), signal)).scale;
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly loss: number;
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
