import type { Counts } from './accuracy.ts';

/** One class: `total` is its support, `accuracy` its recall. */
export interface ClassCounts extends Counts {
  /** How often this class was the answer, correct or not. */
  readonly answered: number;
  /** Share of those answers that are correct, 0..1; NaN for a class that was never the answer. */
  readonly precision: number;
}

/** Counts of each class, [classes]: recall (`accuracy`) = correct / total, precision = correct / answered. */
export function perClass(
  predicted: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): ClassCounts[] {
  const correct = new Int32Array(classes);
  const total = new Int32Array(classes);
  const answered = new Int32Array(classes);
  for (let i = 0; i < labels.length; i++) {
    total[labels[i]!]!++;
    answered[predicted[i]!]!++;
    if (predicted[i] === labels[i]) correct[labels[i]!]!++;
  }
  return Array.from(total, (n, c) => ({
    correct: correct[c]!,
    total: n,
    accuracy: correct[c]! / n,
    answered: answered[c]!,
    precision: correct[c]! / answered[c]!,
  }));
}

/** Unweighted mean of the accuracies of the classes that have rows. NaN if none has. */
export function macroAccuracy(counts: readonly Counts[]): number {
  const tested = counts.filter(({ total }) => total > 0);
  return tested.reduce((sum, { accuracy }) => sum + accuracy, 0) / tested.length;
}
