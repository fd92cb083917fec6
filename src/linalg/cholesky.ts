import { UsageError } from '../errors.ts';

/**
 * The Cholesky factor L of a symmetric positive definite A [n, n], with L L^T = A: lower triangular, row-major, float64. Only the
 * lower triangle of A is read. Throws `UsageError` if A is not positive definite.
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (j < i) {
        l[i * n + j] = sum / l[j * n + j]!;
        continue;
      }
      if (!(sum > 0)) {
        throw new UsageError(`The ${n} x ${n} matrix is not positive definite (pivot ${i} is ${sum})`, {
          code: 'linalg/not-positive-definite',
          hint: 'Use a larger ridge.',
          details: { pivot: i, value: sum },
        });
      }
      l[i * n + i] = Math.sqrt(sum);
    }
  }
  return l;
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
