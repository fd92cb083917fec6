import type { Engine } from '../engine/types.ts';
import { throwIfAborted } from '../errors.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { factorPositive, lowerRows, solveLower, solvePositive, solveUpper } from '../linalg/solve.ts';
import { type Matrix, matrix, row, rowRange } from '../math/matrix.ts';
import type { Samples } from './samples.ts';

/** A kernel of unit rows, by their cosine; its largest value is k(1) = 1. */
export type Kernel = (cosine: number) => number;

/** k(x, y) = exp(-beta (1 - x y)). */
export function radial(beta: number): Kernel {
  return (cosine) => Math.exp(beta * (cosine - 1));
}

/** A kernel, and the weight of smoothness. */
interface Ridge {
  readonly kernel: Kernel;
  readonly lambda: number;
}

/** Added to the kernel's diagonal, which is 1, so that the float32 factor of nearly equal landmarks stays positive definite. */
const JITTER = 1e-4;

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
  { kernel, lambda }: Ridge,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Matrix> {
  return withProducts(
    engine,
    async (products) => {
      const { data } =
        keys === rows
          ? await solvePositive(ridgedKernel(rows, kernel, lambda, products), targets, engine, signal)
          : await byLandmarks(rows, keys, targets, { kernel, lambda }, products, { engine, signal });
      // (K / lambda + I)^-1 = lambda (K + lambda I)^-1.
      for (let at = 0; at < data.length; at++) data[at]! *= lambda;
      return matrix(keys.rows, targets.cols, data);
    },
    signal,
  );
}

/**
 * Coefficients A [m, c] of the function k(x, keys) A that is nearest to sum_i k(x, row_i) onehot(label_i) in the kernel's space: A = K_mm^-1 K_mn
 * onehot(labels), at unit `rows` [n, d] and `keys` [m, d]; onehot(labels) itself where the keys are the rows.
 */
export async function kernelSums(
  rows: Matrix,
  labels: Int32Array,
  classes: number,
  keys: Matrix,
  kernel: Kernel,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Matrix> {
  const sums = matrix(keys.rows, classes);
  if (keys === rows) {
    labels.forEach((label, i) => {
      row(sums, i)[label] = 1;
    });
    return sums;
  }
  return withProducts(
    engine,
    async (products) => {
      for (let from = 0; from < rows.rows; from += CHUNK) {
        throwIfAborted(signal);
        const to = Math.min(rows.rows, from + CHUNK);
        const k = await kernelOf(rowRange(rows, from, to), keys, kernel, products);
        for (let i = 0; i < k.rows; i++) {
          const label = labels[from + i]!;
          row(k, i).forEach((x, j) => {
            sums.data[j * classes + label]! += x;
          });
        }
      }
      return solvePositive(ridgedKernel(keys, kernel, JITTER, products), sums, engine, signal);
    },
    signal,
  );
}

/** k(x, y), [x rows, y rows]. */
export async function kernelOf(
  x: Matrix,
  y: Matrix,
  kernel: Kernel,
  { productT }: Products,
): Promise<Matrix> {
  const k = await productT(x, y);
  for (let at = 0; at < k.data.length; at++) k.data[at] = kernel(k.data[at]!);
  return k;
}

/** K + ridge I, by rows. */
function ridgedKernel(rows: Matrix, kernel: Kernel, ridge: number, products: Products) {
  return async (from: number, to: number): Promise<Matrix> => {
    const k = await kernelOf(rowRange(rows, from, to), rowRange(rows, 0, to), kernel, products);
    for (let i = from; i < to; i++) k.data[(i - from) * to + i]! += ridge;
    return k;
  };
}

/**
 * A = L^-T (B B^T + lambda I)^-1 B targets with L L^T = K_mm and B = L^-1 K_mn. Its conditioning is no worse than that of the exact
 * equations. The normal equations K_mn K_nm + lambda K_mm are worse.
 */
async function byLandmarks(
  rows: Matrix,
  keys: Matrix,
  targets: Matrix,
  { kernel, lambda }: Ridge,
  products: Products,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Matrix> {
  const m = keys.rows;
  const factor = await factorPositive(ridgedKernel(keys, kernel, JITTER, products), m, products, signal);
  const a = matrix(m, m);
  const right = matrix(m, targets.cols);
  for (let from = 0; from < rows.rows; from += CHUNK) {
    throwIfAborted(signal);
    const to = Math.min(rows.rows, from + CHUNK);
    const features = await solveLower(
      factor,
      await kernelOf(keys, rowRange(rows, from, to), kernel, products),
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

/** The residual that the names leave unexplained: onehot(labels) - scale F W^T, [n, c], of unit rows F [n, d] and W [c, d]. */
export async function unexplained(
  { rows, labels }: Samples,
  weights: Matrix,
  scale: number,
  { engine, signal }: { engine?: Engine; signal?: AbortSignal },
): Promise<Matrix> {
  const residual = await withProducts(engine, ({ productT }) => productT(rows, weights), signal);
  for (let at = 0; at < residual.data.length; at++) residual.data[at]! *= -scale;
  labels.forEach((label, i) => {
    residual.data[i * residual.cols + label]! += 1;
  });
  return residual;
}
