import type { Engine } from '../engine/types.ts';
import { throwIfAborted } from '../errors.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { factorPositive, lowerRows, solveLower, solvePositive, solveUpper } from '../linalg/solve.ts';
import { type Matrix, matrix } from '../math/matrix.ts';

/** k(x, y) = exp(-beta (1 - x y)), and the weight of smoothness. */
interface Kernel {
  readonly beta: number;
  readonly lambda: number;
}

/** Number of samples whose equations are computed at a time. */
const CHUNK = 4096;

/**
 * Coefficients A [m, c] of kernel ridge regression of `targets` [n, c] at unit `rows` [n, d]. If `keys` are the rows themselves, A = (K /
 * lambda + I)^-1 targets. Otherwise it is Nystroem's approximation by the keys [m, d] (Williams & Seeger, NeurIPS 2000; the form of Rudi et
 * al., NeurIPS 2015, eq. 8), which minimises the same objective among the functions k(x, keys) A.
 */
export async function kernelRidge(
  rows: Matrix,
  keys: Matrix,
  targets: Matrix,
  kernel: Kernel,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Matrix> {
  return withProducts(
    engine,
    async (products) => {
      const { data } =
        keys === rows
          ? await solvePositive(
              ridgedKernel(rows, kernel.beta, kernel.lambda, products),
              targets,
              engine,
              signal,
            )
          : await byLandmarks(rows, keys, targets, kernel, products, { engine, signal });
      // (K / lambda + I)^-1 = lambda (K + lambda I)^-1.
      for (let at = 0; at < data.length; at++) data[at]! *= kernel.lambda;
      return matrix(keys.rows, targets.cols, data);
    },
    signal,
  );
}

/** exp(-beta (1 - x y)), [x rows, y rows]. */
async function kernelOf(x: Matrix, y: Matrix, beta: number, { productT }: Products): Promise<Matrix> {
  const k = await productT(x, y);
  for (let at = 0; at < k.data.length; at++) k.data[at] = Math.exp(beta * (k.data[at]! - 1));
  return k;
}

/** K + ridge I, by rows. */
function ridgedKernel(rows: Matrix, beta: number, ridge: number, products: Products) {
  return async (from: number, to: number): Promise<Matrix> => {
    const k = await kernelOf(rowRange(rows, from, to), rowRange(rows, 0, to), beta, products);
    for (let i = from; i < to; i++) k.data[(i - from) * to + i]! += ridge;
    return k;
  };
}

/** Added to the kernel's diagonal, which is 1, so that the float32 factor of nearly equal landmarks stays positive definite. */
const JITTER = 1e-4;

/**
 * A = L^-T (B B^T + lambda I)^-1 B targets with L L^T = K_mm and B = L^-1 K_mn. Its conditioning is no worse than that of the exact
 * equations. The normal equations K_mn K_nm + lambda K_mm are worse.
 */
async function byLandmarks(
  rows: Matrix,
  keys: Matrix,
  targets: Matrix,
  { beta, lambda }: Kernel,
  products: Products,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Matrix> {
  const m = keys.rows;
  const factor = await factorPositive(ridgedKernel(keys, beta, JITTER, products), m, products, signal);
  const a = matrix(m, m);
  const right = matrix(m, targets.cols);
  for (let from = 0; from < rows.rows; from += CHUNK) {
    throwIfAborted(signal);
    const to = Math.min(rows.rows, from + CHUNK);
    const features = await solveLower(
      factor,
      await kernelOf(keys, rowRange(rows, from, to), beta, products),
      products,
    );
    addTo(a, await products.productT(features, features));
    addTo(right, await products.product(features, rowRange(targets, from, to)));
  }
  const solution = await solvePositive(lowerRows(a, lambda), right, engine, signal);
  return solveUpper(factor, solution, products);
}

function addTo(target: Matrix, values: Matrix): void {
  for (let at = 0; at < target.data.length; at++) target.data[at]! += values.data[at]!;
}

function rowRange(m: Matrix, from: number, to: number): Matrix {
  return matrix(to - from, m.cols, m.data.subarray(from * m.cols, to * m.cols));
}
