import { dot, type Matrix, row } from '../math/matrix.ts';

/** Rules that compute the share of the identity in a covariance without tuning. */
export const ANALYTIC = ['ledoit-wolf', 'oas'] as const;
export type AnalyticShrinkage = (typeof ANALYTIC)[number];

/**
 * The share l of the identity in (1 - l) S + l tr(S) / d I that is expected to be nearest to the true covariance, for centred rows X [n,
 * d]. The rule is that of Ledoit and Wolf (Journal of Multivariate Analysis 2004, lemma 3.2 to 3.5) or the oracle approximation for
 * Gaussians (Chen et al., IEEE TSP 2010, arXiv 0907.4698, eq. 23).
 *
 * @param square X^T X or X X^T, whichever is smaller
 * @param samples number of independent rows: n - c for residuals of c classes
 */
export function analyticShrinkage(
  rule: AnalyticShrinkage,
  centred: Matrix,
  square: Matrix,
  samples = centred.rows,
): number {
  const [n, d] = [centred.rows, centred.cols];
  let trace = 0;
  let fourth = 0;
  for (let i = 0; i < n; i++) {
    const length = dot(row(centred, i), row(centred, i));
    trace += length / n;
    fourth += length ** 2 / n;
  }
  // The squared Frobenius norm |S|^2, and its part beyond that of the identity.
  const norm = dot(square.data, square.data) / n ** 2;
  const beyond = norm - trace ** 2 / d;
  if (!(beyond > 0)) return 1;
  if (rule === 'oas') return Math.min(1, (norm + trace ** 2) / ((samples + 1) * beyond));
  return Math.min(1, Math.max(0, fourth - norm) / samples / beyond);
}
