/** From here on the asymptotic series are exact to double precision. */
const LARGE = 10;

/**
 * ln Gamma(x) and its derivative, the digamma function, for x > 0, to about 1e-14: the recurrence up to 10, then Stirling's series
 * (Abramowitz and Stegun 6.1.41, 6.3.18).
 */
export function logGammaAndDigamma(x: number): readonly [logGamma: number, digamma: number] {
  // The product x (x + 1) ... and its derivative, so that there is one division and one logarithm for all factors.
  let product = 1;
  let derivative = 0;
  let y = x;
  for (; y < LARGE; y++) {
    derivative = derivative * y + product;
    product *= y;
  }
  const r = 1 / y;
  const s = r * r;
  const log = Math.log(y);
  const series =
    r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - (s * 691) / 360360)))));
  const slope =
    s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - (s * 691) / 32760)))));
  return [
    (y - 0.5) * log - y + HALF_LOG_TWO_PI + series - Math.log(product),
    log - r / 2 - slope - derivative / product,
  ];
}

const HALF_LOG_TWO_PI = Math.log(2 * Math.PI) / 2;
