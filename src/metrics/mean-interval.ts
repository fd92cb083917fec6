/** Mean of a measure over repetitions, with its sample standard deviation and 95% interval. */
export interface MeanInterval {
  readonly mean: number;
  /** With divisor n - 1; NaN for a single value. */
  readonly deviation: number;
  /** 95% interval of the mean by Student's t: mean ± t(0.975, n - 1) deviation / sqrt(n). From -∞ to ∞ for a single value. */
  readonly interval: readonly [low: number, high: number];
}

/** Mean and 95% interval of values [n], such as a measure over seeds; NaN if there is no value. */
export function meanInterval(values: readonly number[]): MeanInterval {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) {
    return { mean, deviation: Number.NaN, interval: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] };
  }
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (n - 1));
  const reach = (studentQuantile(0.95, n - 1) * deviation) / Math.sqrt(n);
  return { mean, deviation, interval: [mean - reach, mean + reach] };
}

/** The t with P(|T| ≤ t) = `share` for Student's distribution, by bisection of the angle atan(t / sqrt(df)). */
function studentQuantile(share: number, df: number): number {
  let low = 0;
  let high = Math.PI / 2;
  while (high - low > 1e-14) {
    const middle = (low + high) / 2;
    if (studentShare(middle, df) < share) low = middle;
    else high = middle;
  }
  return Math.sqrt(df) * Math.tan((low + high) / 2);
}

/** P(|T| ≤ sqrt(df) tan(angle)): the finite sums of Abramowitz and Stegun 26.7.3 (odd df) and 26.7.4 (even df). */
function studentShare(angle: number, df: number): number {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const odd = df % 2 === 1;
  let term = odd ? cos : 1;
  let sum = df === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < df; k += 2) {
    term *= (cos * cos * (k - 1)) / k;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + sin * sum) : sin * sum;
}
