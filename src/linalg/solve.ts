import type { Engine } from '../engine/types.ts';
import { throwIfAborted } from '../errors.ts';
import { type Matrix, matrix, row, rowRange } from '../math/matrix.ts';
import { cholesky, choleskySolve } from './cholesky.ts';
import { type Products, withProducts } from './matrix-products.ts';

/** Number of unknowns eliminated at a time. Diagonal blocks are factored here in float64; the engine computes all other products. */
const BLOCK = 256;
/** Largest number of float32 values sent to the engine at a time: 16 MB. With 64 MB, 6,000 unknowns take 30 to 70 MiB more, and no less time. */
const SENT = 2 ** 22;

/** Returns rows `from` to `to` (not included) of a symmetric matrix, columns 0 to `to`: [to - from, to]. */
export type LowerRows = (from: number, to: number) => Matrix | Promise<Matrix>;

/** The lower rows of a symmetric matrix in memory, with `ridge` added to its diagonal. */
export function lowerRows(a: Matrix, ridge = 0): LowerRows {
  return (from, to) => {
    const out = matrix(to - from, to);
    for (let i = from; i < to; i++) {
      out.data.set(row(a, i).subarray(0, to), (i - from) * to);
      out.data[(i - from) * to + i]! += ridge;
    }
    return out;
  };
}

/**
 * Solves A X = B for X [n, c], given a symmetric positive definite A [n, n] by its lower rows, and B [n, c]. Blocked left-looking
 * Cholesky: float32 outside the diagonal blocks, and half of A in memory (n = 16,000: 0.5 GB). Throws `UsageError` if A is not
 * positive definite; `InterruptedError`.
 */
export async function solvePositive(
  rows: LowerRows,
  b: Matrix,
  engine?: Engine,
  signal?: AbortSignal,
): Promise<Matrix> {
  const n = b.rows;
  if (n <= BLOCK || !engine) return solveSmall(await rows(0, n), b);
  return withProducts(
    engine,
    async (products) => {
      const factor = await factorPositive(rows, n, products, signal);
      const y = await solveLower(factor, b, products);
      return solveUpper(factor, y, products);
    },
    signal,
  );
}

function solveSmall(a: Matrix, b: Matrix): Matrix {
  const l = cholesky(Float64Array.from(a.data), a.rows);
  return matrix(
    b.rows,
    b.cols,
    Float32Array.from(choleskySolve(l, a.rows, Float64Array.from(b.data), b.cols)),
  );
}

/** The factor L by block rows; block row k is [its size, end of block k]. The diagonal blocks are stored as their inverses. */
export interface Factor {
  readonly rows: readonly Matrix[];
  readonly inverses: readonly Matrix[];
}

/** The blocked Cholesky factor of a symmetric positive definite matrix [n, n], given by its lower rows. Throws as `solvePositive`. */
export async function factorPositive(
  given: LowerRows,
  n: number,
  { productT, subtractT }: Products,
  signal?: AbortSignal,
): Promise<Factor> {
  const count = Math.ceil(n / BLOCK);
  const rows: Matrix[] = [];
  for (let i = 0; i < count; i++) rows.push(await given(i * BLOCK, Math.min(n, (i + 1) * BLOCK)));
  const inverses: Matrix[] = [];
  for (let j = 0; j < count; j++) {
    throwIfAborted(signal);
    const at = j * BLOCK;
    const pivot = columns([rows[j]!], 0, at);
    const diagonal = columns([rows[j]!], at, rows[j]!.cols);
    const inverse = invertFactor(at > 0 ? await subtractT(pivot, pivot, diagonal) : diagonal);
    inverses.push(inverse);
    const atOnce = Math.max(1, Math.floor(SENT / (BLOCK * (at + BLOCK))));
    for (let i = j + 1; i < count; i += atOnce) {
      const below = rows.slice(i, Math.min(count, i + atOnce));
      const own = columns(below, at, at + BLOCK);
      const left = at > 0 ? await subtractT(columns(below, 0, at), pivot, own) : own;
      place(await productT(left, inverse), below, at);
    }
  }
  return { rows, inverses };
}

/** Solves L Y = B for Y [n, c]. */
export async function solveLower(
  { rows, inverses }: Factor,
  b: Matrix,
  { product, subtract }: Products,
): Promise<Matrix> {
  const y = matrix(b.rows, b.cols);
  for (let i = 0; i < rows.length; i++) {
    const at = i * BLOCK;
    const own = rowRange(b, at, rows[i]!.cols);
    const rest = at > 0 ? await subtract(columns([rows[i]!], 0, at), rowRange(y, 0, at), own) : own;
    y.data.set((await product(inverses[i]!, rest)).data, at * b.cols);
  }
  return y;
}

/** Solves L^T X = Y for X [n, c]. */
export async function solveUpper(
  { rows, inverses }: Factor,
  y: Matrix,
  { transposedProduct, subtractTransposed }: Products,
): Promise<Matrix> {
  const x = matrix(y.rows, y.cols);
  for (let i = rows.length - 1; i >= 0; i--) {
    const at = i * BLOCK;
    const end = rows[i]!.cols;
    const own = rowRange(y, at, end);
    const below = columns(rows.slice(i + 1), at, end);
    const rest = end < y.rows ? await subtractTransposed(below, rowRange(x, end, y.rows), own) : own;
    x.data.set((await transposedProduct(inverses[i]!, rest)).data, at * y.cols);
  }
  return x;
}

/** The inverse of the Cholesky factor of a small block, lower triangular. Each pass over row i takes four rows above it, in their order. */
function invertFactor(block: Matrix): Matrix {
  const n = block.rows;
  const l = cholesky(Float64Array.from(block.data), n);
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const at = i * n;
    inverse[at + i] = 1;
    let k = 0;
    for (; k + 4 <= i; k += 4) {
      const f0 = l[at + k]!;
      const f1 = l[at + k + 1]!;
      const f2 = l[at + k + 2]!;
      const f3 = l[at + k + 3]!;
      const row = k * n;
      // Numbers right of the diagonal are zeros, so that rows may be read beyond it.
      for (let j = 0; j < k + 4; j++) {
        inverse[at + j] =
          inverse[at + j]! -
          f0 * inverse[row + j]! -
          f1 * inverse[row + n + j]! -
          f2 * inverse[row + 2 * n + j]! -
          f3 * inverse[row + 3 * n + j]!;
      }
    }
    for (; k < i; k++) {
      const factor = l[at + k]!;
      for (let j = 0; j <= k; j++) inverse[at + j]! -= factor * inverse[k * n + j]!;
    }
    const pivot = l[at + i]!;
    for (let j = 0; j <= i; j++) inverse[at + j]! /= pivot;
  }
  return matrix(n, n, Float32Array.from(inverse));
}

/** Columns `from` to `to` of block rows, copied into one matrix. */
function columns(blocks: readonly Matrix[], from: number, to: number): Matrix {
  const out = matrix(
    blocks.reduce((sum, block) => sum + block.rows, 0),
    to - from,
  );
  let at = 0;
  for (const block of blocks) {
    for (let r = 0; r < block.rows; r++, at += out.cols) out.data.set(row(block, r).subarray(from, to), at);
  }
  return out;
}

/** Writes `values` into the block rows, from column `from` on. */
function place(values: Matrix, blocks: readonly Matrix[], from: number): void {
  let at = 0;
  for (const block of blocks) {
    for (let r = 0; r < block.rows; r++) block.data.set(row(values, at++), r * block.cols + from);
  }
}
