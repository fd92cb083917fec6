import { UsageError } from '../errors.ts';
import { type Matrix, row, selectRows, topK } from '../math/matrix.ts';
import { checkLabels } from './labels.ts';

/**
 * The quantile for split conformal prediction with the score 1 - p(true class) (Sadinle, Lei and Wasserman, JASA 2019; Angelopoulos
 * and Bates, arXiv 2107.07511, section 1): the k-th smallest score of held-out rows, k = ceil((n + 1)(1 - miss)). Sets made with
 * it contain the true class with probability at least 1 - `miss`, on average over pictures from the same distribution. With too
 * few rows for that (k > n), the quantile is 1, and sets contain every class.
 *
 * @param probabilities [n, c] @param labels [n] @param miss share of sets that may miss the true class, in (0, 1).
 * Throws `UsageError` `metrics/labels` or `metrics/miss`.
 */
export function conformalQuantile(probabilities: Matrix, labels: ArrayLike<number>, miss: number): number {
  checkLabels(probabilities, labels);
  if (!(miss > 0 && miss < 1)) {
    throw new UsageError(`Prediction sets cannot miss a share of ${miss} of the true classes`, {
      code: 'metrics/miss',
      hint: 'Give a share between 0 and 1, such as 0.1.',
      details: { miss },
    });
  }
  const scores = Float64Array.from(
    { length: labels.length },
    (_, i) => 1 - row(probabilities, i)[labels[i]!]!,
  );
  // 1e-9 compensates for rounding, which may make (n + 1)(1 - miss) too large, e.g. 10 * (1 - 0.1).
  const k = Math.ceil((labels.length + 1) * (1 - miss) - 1e-9);
  return k > scores.length ? 1 : scores.sort()[k - 1]!;
}

/** For each row of probabilities [n, c], the classes with 1 - p ≤ `quantile`, most probable first. A set may be empty. */
export function conformalSets(probabilities: Matrix, quantile: number): number[][] {
  return Array.from({ length: probabilities.rows }, (_, i) => {
    const p = row(probabilities, i);
    return topK(p, p.length).filter((c) => 1 - p[c]! <= quantile);
  });
}

/** Evaluates sets on rows that the quantile was not made from: the share of sets that contain the true class, and their mean size. */
export function evaluateSets(
  sets: readonly (readonly number[])[],
  labels: ArrayLike<number>,
): { covered: number; coverage: number; meanSize: number; maxSize: number; empty: number } {
  const sizes = sets.map((set) => set.length);
  const covered = sets.filter((set, i) => set.includes(labels[i]!)).length;
  return {
    covered,
    coverage: covered / sets.length,
    meanSize: sizes.reduce((sum, size) => sum + size, 0) / sets.length,
    maxSize: sizes.reduce((most, size) => Math.max(most, size), 0),
    empty: sizes.filter((size) => size === 0).length,
  };
}

/**
 * Evaluates split-conformal sets on rows that nothing was tuned on: the quantile comes from the even rows, and the odd rows test it.
 * `coverage` is the share of sets that contain the true class; its expected value is 1 - `miss` or slightly more. `setSize` is the mean
 * number of classes in a set. Both are NaN with fewer than two rows.
 */
export function conformalHalves(
  probabilities: Matrix,
  labels: ArrayLike<number>,
  miss = 0.1,
): { coverage: number; setSize: number } {
  const half = (odd: number) => {
    const own = Array.from({ length: labels.length }, (_, i) => i).filter((i) => i % 2 === odd);
    return { p: selectRows(probabilities, own), y: Int32Array.from(own, (i) => labels[i]!) };
  };
  const [calibration, test] = [half(0), half(1)];
  const quantile = conformalQuantile(calibration.p, calibration.y, miss);
  const { coverage, meanSize } = evaluateSets(conformalSets(test.p, quantile), test.y);
  return { coverage, setSize: meanSize };
}
