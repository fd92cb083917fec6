import { add, mul } from '../graph/elementwise.ts';
import { sum } from '../graph/reduce.ts';
import { floatTensor } from '../math/tensor.ts';
import { defineMethod } from './method.ts';

/**
 * Logit adjustment (Menon et al., ICLR 2021, equation 9): z_c = -log p_c for every picture, where p_c is the share of class c among the
 * examples, with one more example of each class. Added to the log-probabilities of a method, with a weight, it removes the method's
 * preference for frequent classes.
 */
export const classBalance = defineMethod({
  id: 'class-balance',
  name: 'Class balance',
  paper: 'Menon et al., ICLR 2021, arXiv 2007.07314',
  needs: ['examples'],
  composite: true,
  options: {},
  fit: ({ support: { labels }, classes }) => ({
    offset: floatTensor(
      [1, classes],
      logPriors(labels, classes).map((x) => -x),
    ),
  }),
  holds: ({ classes }) => ({ offset: { shape: [1, classes] } }),
  prepare: (state) => state,
  terms: (f, { offset }) => ({ method: add(mul(sum(f, [1], true), 0), offset) }), // [m, c]
});

/** log p_c of each class. */
export function logPriors(labels: ArrayLike<number>, classes: number): Float32Array {
  const counts = new Float32Array(classes).fill(1);
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
  return counts.map((n) => Math.log(n / (labels.length + classes)));
}
