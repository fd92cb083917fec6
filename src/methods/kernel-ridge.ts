import type { Engine } from '../engine/types.ts';
import { throwIfAborted } from '../errors.ts';
import { type Products, withProducts } from '../linalg/products.ts';
import { solvePositive } from '../linalg/solve.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';

/** k(x, y) = exp(-beta (1 - x y)), and the weight of smoothness. */
interface Kernel {
  readonly beta: number;
  readonly lambda: number;
}

/** Samples of which equations are made at a time. */
const CHUNK = 4096;

/**
 * Coefficients A [m, c] of kernel ridge regression of `targets` [n, c] at unit `rows` [n, d]: A = (K / lambda + I)^-1 targets where
 * `keys` are the rows themselves; otherwise Nystroem's approximation by the keys [m, d] (Williams & Seeger, NeurIPS 2000; the
 * form of Rudi et al., NeurIPS 2015, eq. 8), which minimises the same objective among functions k(x, keys) A.
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
      const { lowerRows, right } =
        keys === rows
          ? { lowerRows: ridgedKernel(rows, kernel, products), right: targets }
          : await landmarkEquations(rows, keys, targets, kernel, products, signal);
      const { data } = await solvePositive(lowerRows, right, engine, signal);
      // (K / lambda + I)^-1 = lambda (K + lambda I)^-1.
      for (let at = 0; at < data.length; at++) data[at] *= kernel.lambda;
      return matrix(keys.rows, targets.cols, data);
    },
    signal,
  );
}

/** exp(-beta (1 - x y)), [x rows, y rows]. */
async function kernelOf(x: Matrix, y: Matrix, beta: number, { productT }: Products): Promise<Matrix> {
  const k = await productT(x, y);
  for (let at = 0; at < k.data.length; at++) k.data[at] = Math.exp(beta * (k.data[at] - 1));
  return k;
}

/** K + lambda I. */
function ridgedKernel(rows: Matrix, { beta, lambda }: Kernel, products: Products) {
  return async (from: number, to: number): Promise<Matrix> => {
    const k = await kernelOf(rowRange(rows, from, to), rowRange(rows, 0, to), beta, products);
    for (let i = from; i < to; i++) k.data[(i - from) * to + i] += lambda;
    return k;
  };
}

/** Share of the largest diagonal entry that keeps float32 equations of nearly equal landmarks positive definite. */
const JITTER = 1e-6;

/** The normal equations (K_mn K_nm + lambda K_mm) A = K_mn targets of m landmarks. */
async function landmarkEquations(
  rows: Matrix,
  keys: Matrix,
  targets: Matrix,
  { beta, lambda }: Kernel,
  products: Products,
  signal?: AbortSignal,
) {
  const a = await kernelOf(keys, keys, beta, products);
  for (let at = 0; at < a.data.length; at++) a.data[at] *= lambda;
  const right = matrix(keys.rows, targets.cols);
  for (let from = 0; from < rows.rows; from += CHUNK) {
    throwIfAborted(signal);
    const to = Math.min(rows.rows, from + CHUNK);
    const k = await kernelOf(rowRange(rows, from, to), keys, beta, products);
    addTo(a, await products.transposedProduct(k, k));
    addTo(right, await products.transposedProduct(k, rowRange(targets, from, to)));
  }
  const jitter = JITTER * rows.rows;
  for (let i = 0; i < keys.rows; i++) a.data[i * keys.rows + i] += jitter;
  return { lowerRows: (from: number, to: number) => lowerOf(a, from, to), right };
}

function lowerOf(a: Matrix, from: number, to: number): Matrix {
  const out = matrix(to - from, to);
  for (let i = from; i < to; i++) out.data.set(row(a, i).subarray(0, to), (i - from) * to);
  return out;
}

function addTo(target: Matrix, values: Matrix): void {
  for (let at = 0; at < target.data.length; at++) target.data[at] += values.data[at];
}

function rowRange(m: Matrix, from: number, to: number): Matrix {
  return matrix(to - from, m.cols, m.data.subarray(from * m.cols, to * m.cols));
}
