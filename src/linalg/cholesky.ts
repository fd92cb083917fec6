import { UsageError } from '../errors.ts';

/**
 * The lower triangle L of L L^T = A, in float64, for a symmetric positive definite A [n, n] (row-major; only its lower
 * triangle is read). Throws `UsageError` where A is not positive definite.
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j];
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
      if (j < i) {
        l[i * n + j] = sum / l[j * n + j];
        continue;
      }
      if (!(sum > 0)) {
        throw new UsageError(`The ${n} x ${n} matrix is not positive definite (pivot ${i} is ${sum})`, {
          code: 'linalg/not-positive-definite',
          hint: 'A larger ridge makes it so.',
          details: { pivot: i, value: sum },
        });
      }
      l[i * n + i] = Math.sqrt(sum);
    }
  }
  return l;
}

/** Columns solved at a time: a panel of them stays in the processor's cache. */
const PANEL = 64;

/** X of A X = B for the Cholesky factor `l` [n, n] of A and B [n, columns], row-major. */
export function choleskySolve(l: Float64Array, n: number, b: Float64Array, columns: number): Float64Array {
  const x = b.slice();
  for (let from = 0; from < columns; from += PANEL) {
    const to = Math.min(from + PANEL, columns);
    const subtract = (row: number, other: number, factor: number) => {
      const shift = (other - row) * columns;
      for (let at = row * columns + from; at < row * columns + to; at++) x[at] -= factor * x[at + shift];
    };
    const divide = (row: number) => {
      for (let at = row * columns + from; at < row * columns + to; at++) x[at] /= l[row * n + row];
    };
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) subtract(i, k, l[i * n + k]);
      divide(i);
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) subtract(i, k, l[k * n + i]);
      divide(i);
    }
  }
  return x;
}
