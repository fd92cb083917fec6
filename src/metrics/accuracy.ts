import { argmax, type Matrix, row } from '../math/matrix.ts';
import { checkLabels } from './labels.ts';

/** How many answers are correct, for one class or for all. */
export interface Counts {
  readonly correct: number;
  readonly total: number;
  /** Share of correct answers, 0..1; NaN if `total` is 0. */
  readonly accuracy: number;
}

/** Counts with the 95% interval of the accuracy. */
export interface Accuracy extends Counts {
  readonly interval: readonly [low: number, high: number];
}

/** The class with the largest score in each row, [n], for scores [n, c]; the lowest class wins a tie. */
export function predictedClasses(scores: Matrix): Int32Array {
  return Int32Array.from({ length: scores.rows }, (_, i) => argmax(row(scores, i)));
}

/**
 * How often the true class has the largest score, over scores or probabilities [n, c] and labels [n].
 * Throws `UsageError` `metrics/labels` if they do not fit together.
 */
export function accuracy(scores: Matrix, labels: ArrayLike<number>): Accuracy {
  return topKAccuracy(scores, labels, 1);
}

/**
 * How often the true class is among the k largest scores of its row, over scores [n, c] and labels [n]. Of equal scores, the lower
 * class comes first. Throws `UsageError` `metrics/labels` if they do not fit together.
 */
export function topKAccuracy(scores: Matrix, labels: ArrayLike<number>, k: number): Accuracy {
  checkLabels(scores, labels);
  let correct = 0;
  for (let i = 0; i < scores.rows; i++) if (rank(row(scores, i), labels[i]!) < k) correct++;
  const total = scores.rows;
  return { correct, total, accuracy: correct / total, interval: wilsonInterval(correct, total) };
}

/** Number of classes that rank before the given one. */
function rank(scores: Float32Array, label: number): number {
  let before = 0;
  for (let c = 0; c < scores.length; c++) {
    if (scores[c]! > scores[label]! || (scores[c] === scores[label] && c < label)) before++;
  }
  // A score of NaN cannot be ranked, so the true class comes last.
  return Number.isNaN(scores[label]) ? scores.length : before;
}

/**
 * 95% score interval of a share (Wilson 1927), z = 1.959964. It stays inside 0..1, and its coverage is close to 95% even for few
 * pictures. [0, 1] if `total` is 0.
 */
export function wilsonInterval(correct: number, total: number): [low: number, high: number] {
  if (total === 0) return [0, 1];
  const z = 1.959963984540054;
  const share = correct / total;
  const centre = share + (z * z) / (2 * total);
  const reach = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total));
  const scale = 1 + (z * z) / total;
  return [Math.max(0, (centre - reach) / scale), Math.min(1, (centre + reach) / scale)];
}
