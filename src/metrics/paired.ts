import { UsageError } from '../errors.ts';
import { random } from '../math/random.ts';

/** McNemar's comparison of two classifiers on the same rows: on how many rows only `first` or only `second` is right, and the p-value. */
export interface McNemar {
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided p-value. */
  readonly p: number;
}

/**
 * McNemar's exact test (1947). Under the hypothesis that both classifiers are equally good, each is right on half of the rows on
 * which exactly one is right. p = min(1, 2 P(X ≤ min(first, second))), X binomial with n = first + second and probability 1/2.
 *
 * @param first [n], whether the first classifier is right @param second [n]. Throws `UsageError` `metrics/paired` unless both
 * have the same length, at least 1.
 */
export function mcnemar(first: ArrayLike<boolean>, second: ArrayLike<boolean>): McNemar {
  checkPaired(first, second);
  let onlyFirst = 0;
  let onlySecond = 0;
  for (let i = 0; i < first.length; i++) {
    if (first[i] && !second[i]) onlyFirst++;
    if (second[i] && !first[i]) onlySecond++;
  }
  const p = Math.min(1, 2 * coinTail(Math.min(onlyFirst, onlySecond), onlyFirst + onlySecond));
  return { onlyFirst, onlySecond, p };
}

/** P(X ≤ k), X binomial with n trials and probability 1/2. Terms are computed as logarithms, because 2^-n underflows for large n. */
function coinTail(k: number, n: number): number {
  let logTerm = -n * Math.LN2;
  let sum = Math.exp(logTerm);
  for (let i = 1; i <= k; i++) {
    logTerm += Math.log((n - i + 1) / i);
    sum += Math.exp(logTerm);
  }
  return sum;
}

/**
 * Difference of two means over the same rows (first minus second), with the 95% percentile interval of the paired bootstrap
 * (Efron and Tibshirani 1993, chapter 13): rows are drawn with replacement, and both values of a row are drawn together. A value is
 * any measure of a row: 1 for right and 0 for wrong, or a negative log-likelihood. The same seed gives the same result on every machine.
 *
 * @param first [n] @param second [n]. Throws `UsageError` `metrics/paired`.
 */
export function pairedBootstrap(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  { seed = 1, resamples = 10_000 }: { seed?: number; resamples?: number } = {},
): { difference: number; interval: [low: number, high: number] } {
  checkPaired(first, second);
  const n = first.length;
  const gaps = Float64Array.from({ length: n }, (_, i) => first[i]! - second[i]!);
  const { integer } = random('paired-bootstrap', seed);
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += gaps[integer(n)]!;
    return sum / n;
  }).sort();
  return {
    difference: gaps.reduce((sum, gap) => sum + gap, 0) / n,
    interval: [means[Math.floor(0.025 * (resamples - 1))]!, means[Math.ceil(0.975 * (resamples - 1))]!],
  };
}

function checkPaired(first: ArrayLike<unknown>, second: ArrayLike<unknown>): void {
  if (first.length === second.length && first.length > 0) return;
  throw new UsageError(
    `A paired comparison needs two lists of the same length, at least 1; their lengths are ${first.length} and ${second.length}`,
    { code: 'metrics/paired', details: { first: first.length, second: second.length } },
  );
}
