import { type Matrix, row } from '../math/matrix.ts';
import { checkLabels } from './labels.ts';

/** Temperatures stay between the two: where every row is right, the likelihood has no maximum. */
const COLDEST = 2 ** -20;
const HOTTEST = 2 ** 20;

/**
 * The temperature T that minimises the mean negative log-likelihood of softmax(logits / T), and that likelihood (Guo et al.,
 * ICML 2017, section 4.2). Convex in a = 1 / T: Newton's method inside a bracket finds the root of the derivative to 1e-9.
 * Without a minimum (all right, or no better than chance) T ends at an extreme, 2^-20 or 2^20, or wherever more changes nothing.
 *
 * @param logits [n, c] @param labels [n]. Throws `UsageError` `metrics/labels`.
 */
export function fitTemperature(
  logits: Matrix,
  labels: ArrayLike<number>,
): { temperature: number; nll: number } {
  checkLabels(logits, labels);
  let [low, high] = [1 / HOTTEST, 1 / COLDEST];
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
  let [nll, slope, bend] = [0, 0, 0];
  for (let i = 0; i < logits.rows; i++) {
    const z = row(logits, i);
    const top = z.reduce((x, y) => Math.max(x, y), Number.NEGATIVE_INFINITY);
    let [sum, first, second] = [0, 0, 0];
    for (let c = 0; c < z.length; c++) {
      // Measured from the largest logit: all three sums stay small and the exponential never overflows.
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
