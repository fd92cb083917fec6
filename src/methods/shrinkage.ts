import { dot, type Matrix, row } from '../math/matrix.ts';

/** Rules that compute the share of the identity in a covariance without tuning. */
export const ANALYTIC = ['ledoit-wolf', 'oas'] as const;
export type AnalyticShrinkage = (typeof ANALYTIC)[number];

/** The facts about centred rows X [n, d] that the rules need. */
export interface Scatter {
  readonly n: number;
  readonly d: number;
  /** Number of independent rows: n, or n - c for residuals of c classes. */
  readonly samples: number;
  /** X^T X or X X^T, row after row. */
  readonly square: Float32Array | Float64Array;
  /** The mean of |x|^4, which only the rule of Ledoit and Wolf needs. */
  readonly fourth: number;
}

/**
 * The share l of the identity in (1 - l) S + l tr(S) / d I that is expected to be nearest to the true covariance. The rule is that of
 * Ledoit and Wolf (Journal of Multivariate Analysis 2004, lemma 3.2 to 3.5) or the oracle approximation for Gaussians (Chen et al., IEEE
 * TSP 2010, arXiv 0907.4698, eq. 23).
 */
export function analyticShrinkage(
  rule: AnalyticShrinkage,
  { n, d, samples, square, fourth }: Scatter,
): number {
  let trace = 0;
  const size = Math.sqrt(square.length);
  for (let i = 0; i < size; i++) trace += square[i * size + i]! / n;
  // The squared Frobenius norm |S|^2, and its part beyond that of the identity.
  const norm = dot(square, square) / n ** 2;
  const beyond = norm - trace ** 2 / d;
  if (!(beyond > 0)) return 1;
  if (rule === 'oas') return Math.min(1, (norm + trace ** 2) / ((samples + 1) * beyond));
  return Math.min(1, Math.max(0, fourth - norm) / samples / beyond);
}

/** The mean of |x|^4 over rows. */
export function fourthMoment(rows: Matrix): number {
  let fourth = 0;
  for (let i = 0; i < rows.rows; i++) fourth += dot(row(rows, i), row(rows, i)) ** 2 / rows.rows;
  return fourth;
}
