import type { Products } from '../linalg/matrix-products.ts';
import { factorPositive, lowerRows, solveLower } from '../linalg/solve.ts';
import { dot, identity, type Matrix, row, scaled } from '../math/matrix.ts';

/**
 * The inner product <x, y>_P = x^T P y with P = (I + S / level)^-1 for a covariance S [d, d]. Directions that vary within classes count
 * less in it.
 */
export interface Whitening {
  /** V [k, d]. P = I - V^T V if k < d, and P = V^T V if k = d. */
  readonly v: Matrix;
  /** The variance that is added in every direction: the ridge times the mean variance tr(S) / d. */
  readonly level: number;
}

/**
 * P for S = X^T X, X [n, d]. If n is less than d, V = L^-1 X / sqrt(level) with L L^T = I + X X^T / level (Woodbury's identity). Otherwise
 * V = L^-1 with L L^T = I + S / level. If nothing varies, P is I. Throws `InterruptedError`.
 */
export async function whiteningOf(
  x: Matrix,
  ridge: number,
  products: Products,
  signal?: AbortSignal,
): Promise<Whitening> {
  const d = x.cols;
  const level = (ridge * dot(x.data, x.data)) / d;
  const units = scaled(x, level > 0 ? 1 / Math.sqrt(level) : 0);
  const square = isWide(x)
    ? await products.productT(units, units)
    : await products.transposedProduct(units, units);
  const factor = await factorPositive(lowerRows(square, 1), square.rows, products, signal);
  return { v: await solveLower(factor, isWide(x) ? units : identity(d), products), level };
}

/** A P, [n, d]. */
export function whiten(a: Matrix, { v }: Whitening, { through, without }: Products): Promise<Matrix> {
  return isWide(v) ? without(a, v) : through(a, v);
}

/** The directions of rows in P. */
export interface Directions {
  /** unit_P(a) P, [n, d]. The inner product of x with such a row is <x, unit_P(a)>_P. A row of zeros stays zero. */
  readonly duals: Matrix;
  /** Lengths in P, [n]. */
  readonly lengths: Float64Array;
}

/** The directions of rows, [n, d]. */
export async function directions(a: Matrix, whitening: Whitening, products: Products): Promise<Directions> {
  const duals = await whiten(a, whitening, products);
  const lengths = rowProducts(duals, a).map((square) => Math.sqrt(Math.max(0, square)));
  for (let i = 0; i < a.rows; i++) {
    const own = row(duals, i);
    for (let j = 0; j < own.length; j++) own[j] = lengths[i]! > 0 ? own[j]! / lengths[i]! : 0;
  }
  return { duals, lengths };
}

/** Whether P is I - V^T V. */
export function isWide({ rows, cols }: { readonly rows: number; readonly cols: number }): boolean {
  return rows < cols;
}

/** The inner product of each row of `a` with the same row of `b`, [n]. */
export function rowProducts(a: Matrix, b: Matrix): Float64Array {
  return Float64Array.from({ length: a.rows }, (_, i) => dot(row(a, i), row(b, i)));
}
