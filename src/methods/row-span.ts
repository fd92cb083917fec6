import type { Products } from '../linalg/matrix-products.ts';
import { factorPositive, lowerRows, solveLower } from '../linalg/solve.ts';
import { concatRows, type Matrix, matrix, row } from '../math/matrix.ts';

/** Rows X [n, p] in other coordinates: X = R B, where the rows of B are orthonormal. */
export interface Coordinates {
  /** R [n, q]. */
  readonly rows: Matrix;
  /** B [q, p]. */
  readonly basis: Matrix;
}

/** A share of each squared length that is added to it. It keeps the float32 factor of nearly equal rows positive definite. */
const JITTER = 1e-5;

/**
 * Expresses rows in coordinates of their span, for fewer rows than dimensions: R = L with L L^T = X X^T, and B = L^-1 X. The solution of a
 * linear model with a penalty on the squared parameters lies in the span of the rows (the representer theorem), and the coordinates keep
 * lengths. The solution is therefore the same in these coordinates, with n parameters for each class instead of p. Throws `InterruptedError`.
 */
export async function spanOf(x: Matrix, products: Products, signal?: AbortSignal): Promise<Coordinates> {
  const gram = await products.productT(x, x);
  for (let i = 0; i < x.rows; i++)
    gram.data[i * (x.rows + 1)] = gram.data[i * (x.rows + 1)]! * (1 + JITTER) || 1;
  const factor = await factorPositive(lowerRows(gram), x.rows, products, signal);
  const basis = await solveLower(factor, x, products);
  return { rows: await products.productT(x, basis), basis };
}

/** The same rows with a last column of `bias`. The column is a separate dimension of the basis. */
export function withBias({ rows, basis }: Coordinates, bias: number): Coordinates {
  const wider = withColumn(basis, 0);
  const corner = matrix(1, wider.cols);
  corner.data[basis.cols] = 1;
  return { rows: withColumn(rows, bias), basis: concatRows([wider, corner]) };
}

/** The rows with one more column of equal numbers. */
export function withColumn(m: Matrix, value: number): Matrix {
  const out = matrix(m.rows, m.cols + 1);
  out.data.fill(value);
  for (let i = 0; i < m.rows; i++) row(out, i).set(row(m, i));
  return out;
}
