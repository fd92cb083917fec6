import { UsageError } from '../errors.ts';
import { type Matrix, row, selectRows, topK } from '../math/matrix.ts';
import { checkLabels } from './labels.ts';

/**
 * Split conformal prediction with the score 1 - p(true class) (Sadinle, Lei and Wasserman, JASA 2019; Angelopoulos and Bates,
 * arXiv 2107.07511, section 1): the k-th smallest score of held-out rows, k = ceil((n + 1)(1 - miss)). Sets made with it
 * contain the true class with probability at least 1 - `miss` on average over pictures drawn as these were. With too few
 * rows for that promise (k > n) the answer is 1: every class.
 *
 * @param probabilities [n, c] @param labels [n] @param miss share of sets that may miss the true class, in (0, 1).
 * Throws `UsageError` `metrics/labels` or `metrics/miss`.
 */
export function conformalQuantile(probabilities: Matrix, labels: ArrayLike<number>, miss: number): number {
  checkLabels(probabilities, labels);
  if (!(miss > 0 && miss < 1)) {
    throw new UsageError(`Sets that miss a share of ${miss} of the true classes cannot be made`, {
      code: 'metrics/miss',
      hint: 'Give a share between 0 and 1, such as 0.1.',
      details: { miss },
    });
  }
  const scores = Float64Array.from(
    { length: labels.length },
    (_, i) => 1 - row(probabilities, i)[labels[i]!]!,
  );
  // The small number takes back what (n + 1)(1 - miss) may gain by rounding, e.g. 10 * (1 - 0.1).
  const k = Math.ceil((labels.length + 1) * (1 - miss) - 1e-9);
  return k > scores.length ? 1 : scores.sort()[k - 1]!;
}

/** The classes of each row with 1 - p ≤ `quantile`, most probable first; a set may be empty. Probabilities [n, c]. */
export function conformalSets(probabilities: Matrix, quantile: number): number[][] {
  return Array.from({ length: probabilities.rows }, (_, i) => {
    const p = row(probabilities, i);
    return topK(p, p.length).filter((c) => 1 - p[c]! <= quantile);
  });
}

/** How well sets do on rows they were not made from: share that contain the true class, and how many classes they name. */
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
 * Split-conformal sets of rows that nothing was tuned on: made from the even rows, tested on the odd ones. `coverage` is the share of sets
 * that hold the true class, which is 1 - `miss` but for chance; `setSize` their mean size. NaN with fewer than two rows.
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
