/**
 * The error function in double precision: the series near 0 (Abramowitz and Stegun 7.1.6), elsewhere the continued fraction of the
 * complement (7.1.14).
 */
export function erf(x: number): number {
  const square = x * x;
  if (square > 36) return Math.sign(x);
  const scale = Math.exp(-square) / Math.sqrt(Math.PI);
  if (square < 6) {
    let term = 2 * x * scale;
    let total = term;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
      term *= (2 * square) / (2 * n + 1);
      total += term;
    }
    return total;
  }
  const size = Math.abs(x);
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - scale / fraction);
}
