import { argmax, type Matrix, row } from '../math/matrix.ts';
import { checkLabels } from './labels.ts';

/**
 * Mean of -log p(true class) in nats, over probabilities [n, c] and labels [n]. A probability below 1e-12 counts as 1e-12.
 * Throws `UsageError` `metrics/labels`.
 */
export function negativeLogLikelihood(probabilities: Matrix, labels: ArrayLike<number>): number {
  checkLabels(probabilities, labels);
  let total = 0;
  for (let i = 0; i < labels.length; i++)
    total -= Math.log(Math.max(row(probabilities, i)[labels[i]!]!, 1e-12));
  return total / labels.length;
}

/** Mean over rows of sum_c (p_c - [c is the true class])^2 (Brier 1950), 0..2, for probabilities [n, c] and labels [n]. Throws `UsageError` `metrics/labels`. */
export function brierScore(probabilities: Matrix, labels: ArrayLike<number>): number {
  checkLabels(probabilities, labels);
  let total = 0;
  for (let i = 0; i < labels.length; i++) {
    row(probabilities, i).forEach((p, c) => {
      total += (p - Number(c === labels[i])) ** 2;
    });
  }
  return total / labels.length;
}

/** Answers whose confidence lies in (low, high]. */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence of the answers; like `accuracy`, the share of correct ones, NaN in an empty bin. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** Answers in bins of equal width by confidence. A classifier is calibrated if confidence and accuracy agree in every bin. */
export function reliabilityBins(
  probabilities: Matrix,
  labels: ArrayLike<number>,
  bins = 15,
): ReliabilityBin[] {
  checkLabels(probabilities, labels);
  const count = new Float64Array(bins);
  const confidence = new Float64Array(bins);
  const correct = new Float64Array(bins);
  for (let i = 0; i < labels.length; i++) {
    const p = row(probabilities, i);
    const best = argmax(p);
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(p[best]! * bins) - 1));
    count[bin]!++;
    confidence[bin]! += p[best]!;
    correct[bin]! += Number(best === labels[i]);
  }
  return Array.from(count, (n, b) => ({
    low: b / bins,
    high: (b + 1) / bins,
    count: n,
    confidence: confidence[b]! / n,
    accuracy: correct[b]! / n,
  }));
}

/** Expected calibration error (Guo et al., ICML 2017, eq. 3): |accuracy - confidence| of each bin, weighted by its rows. */
export function expectedCalibrationError(
  probabilities: Matrix,
  labels: ArrayLike<number>,
  bins = 15,
): number {
  return reliabilityBins(probabilities, labels, bins).reduce(
    (total, { count, accuracy, confidence }) =>
      count === 0 ? total : total + (count / labels.length) * Math.abs(accuracy - confidence),
    0,
  );
}
