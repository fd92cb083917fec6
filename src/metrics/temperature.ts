import { type Matrix, row } from '../math/matrix.ts';
import { checkLabels } from './labels.ts';

/** Limits of the temperature. They are needed because the likelihood has no maximum if every row is right. */
const COLDEST = 2 ** -20;
const HOTTEST = 2 ** 20;

/**
 * The temperature T that minimises the mean negative log-likelihood of softmax(logits / T), and that likelihood (Guo et al.,
 * ICML 2017, section 4.2). The likelihood is convex in a = 1 / T, and bracketed Newton steps find the root of its derivative to 1e-9.
 * If there is no minimum (all rows right, or none better than chance), T is 2^-20 or 2^20, or the value from which on the likelihood
 * no longer changes in float64.
 *
 * @param logits [n, c] @param labels [n]. Throws `UsageError` `metrics/labels`.
 */
export function fitTemperature(
  logits: Matrix,
  labels: ArrayLike<number>,
): { temperature: number; nll: number } {
  checkLabels(logits, labels);
  let low = 1 / HOTTEST;
  let high = 1 / COLDEST;
  let a = 1;
  let { nll, slope, bend } = likelihood(logits, labels, a);
  while (slope !== 0 && high / low > 1 + 1e-9) {
    if (slope > 0) high = a;
    else low = a;
    const newton = a - slope / bend;
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    const step = Math.abs(next / a - 1);
    a = next;
    ({ nll, slope, bend } = likelihood(logits, labels, a));
    if (step < 1e-9) break;
  }
  return { temperature: 1 / a, nll };
}

/** Mean -log softmax(a * logits)[label] and its first two derivatives in a: E[z] - z_label and Var[z] under the softmax. */
function likelihood(
  logits: Matrix,
  labels: ArrayLike<number>,
  a: number,
): { nll: number; slope: number; bend: number } {
  let nll = 0;
  let slope = 0;
  let bend = 0;
  for (let i = 0; i < logits.rows; i++) {
    const z = row(logits, i);
    const top = z.reduce((x, y) => Math.max(x, y), Number.NEGATIVE_INFINITY);
    let sum = 0;
    let first = 0;
    let second = 0;
    for (let c = 0; c < z.length; c++) {
      // Logits are taken relative to the largest one, so that the sums stay small and the exponential does not overflow.
      const gap = z[c]! - top;
      const weight = Math.exp(a * gap);
      sum += weight;
      first += weight * gap;
      second += weight * gap * gap;
    }
    const mean = first / sum;
    const own = z[labels[i]!]! - top;
    nll += Math.log(sum) - a * own;
    slope += mean - own;
    bend += second / sum - mean * mean;
  }
  return { nll: nll / logits.rows, slope: slope / logits.rows, bend: bend / logits.rows };
}
