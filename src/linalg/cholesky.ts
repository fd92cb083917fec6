import { UsageError } from '../errors.ts';

/**
 * The Cholesky factor L of a symmetric positive definite A [n, n], with L L^T = A: lower triangular, row-major, float64. Only the
 * lower triangle of A is read. Throws `UsageError` if A is not positive definite.
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  const sums = new Float64Array(4);
  for (let from = 0; from < n; from += ROWS) {
    const to = Math.min(n, from + ROWS);
    for (let j = 0; j < to; j++) {
      for (let i = Math.max(from, j); i < to; i += 4) {
        const some = Math.min(4, to - i);
        productsOfRows(l, n, i, some, j, sums);
        for (let r = 0; r < some; r++) {
          const at = (i + r) * n + j;
          const value = a[at]! - sums[r]!;
          l[at] = i + r === j ? pivot(value, j, n) : value / l[j * n + j]!;
        }
      }
    }
  }
  return l;
}

/** Rows that are computed at a time, so that they stay in the processor's cache while those above pass by. */
const ROWS = 32;

function pivot(value: number, j: number, n: number): number {
  if (value > 0) return Math.sqrt(value);
  throw new UsageError(`The ${n} x ${n} matrix is not positive definite (pivot ${j} is ${value})`, {
    code: 'linalg/not-positive-definite',
    hint: 'Use a larger ridge.',
    details: { pivot: j, value },
  });
}

/** The products of row j's first j values with those of `some` rows from i on, at most four, which share its reading. */
function productsOfRows(
  l: Float64Array,
  n: number,
  i: number,
  some: number,
  j: number,
  sums: Float64Array,
): void {
  const q = j * n;
  const p0 = i * n;
  // Rows that are not asked for repeat the last one.
  const p1 = p0 + Math.min(1, some - 1) * n;
  const p2 = p0 + Math.min(2, some - 1) * n;
  const p3 = p0 + Math.min(3, some - 1) * n;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let k = 0; k < j; k++) {
    const x = l[q + k]!;
    s0 += l[p0 + k]! * x;
    s1 += l[p1 + k]! * x;
    s2 += l[p2 + k]! * x;
    s3 += l[p3 + k]! * x;
  }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
}

/** Number of columns solved at a time, so that a panel of them stays in the processor's cache. */
const PANEL = 64;

/** Solves A X = B for X [n, columns], given the Cholesky factor `l` [n, n] of A and B [n, columns]; row-major float64. */
export function choleskySolve(l: Float64Array, n: number, b: Float64Array, columns: number): Float64Array {
  const x = new Float64Array(n * columns);
  for (let from = 0; from < columns; from += PANEL) {
    const width = Math.min(PANEL, columns - from);
    const panel = new Float64Array(n * width);
    for (let i = 0; i < n; i++) {
      const start = i * columns + from;
      panel.set(b.subarray(start, start + width), i * width);
    }
    for (let i = 0; i < n; i++) {
      subtractRows(panel, width, i, 0, i, l, i * n, 1);
      divideRow(panel, width, i, l[i * n + i]!);
    }
    for (let i = n - 1; i >= 0; i--) {
      subtractRows(panel, width, i, i + 1, n, l, i, n);
      divideRow(panel, width, i, l[i * n + i]!);
    }
    for (let i = 0; i < n; i++) x.set(panel.subarray(i * width, (i + 1) * width), i * columns + from);
  }
  return x;
}

/** Subtracts from row i the sum over from ≤ k < to of l[base + k step] times row k. Each pass over row i takes four rows k. */
function subtractRows(
  panel: Float64Array,
  width: number,
  i: number,
  from: number,
  to: number,
  l: Float64Array,
  base: number,
  step: number,
): void {
  const target = i * width;
  let k = from;
  for (; k + 4 <= to; k += 4) {
    const at = base + k * step;
    const [f0, f1, f2, f3] = [l[at]!, l[at + step]!, l[at + 2 * step]!, l[at + 3 * step]!];
    const row = k * width;
    for (let j = 0; j < width; j++) {
      panel[target + j]! -=
        f0 * panel[row + j]! +
        f1 * panel[row + width + j]! +
        f2 * panel[row + 2 * width + j]! +
        f3 * panel[row + 3 * width + j]!;
    }
  }
  for (; k < to; k++) {
    const f = l[base + k * step]!;
    for (let j = 0; j < width; j++) panel[target + j]! -= f * panel[k * width + j]!;
  }
}

function divideRow(panel: Float64Array, width: number, i: number, by: number): void {
  for (let at = i * width; at < (i + 1) * width; at++) panel[at]! /= by;
}
