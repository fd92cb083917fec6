import { mul } from '../graph/elementwise.ts';
import { positive, real } from '../options.ts';
import { affinities, classSums, withCache } from './cache.ts';
import { defineMethod, SCALE, WEIGHT } from './method.ts';
import { zeroShotLogits } from './zero-shot.ts';

/**
 * Tip-Adapter: zero-shot logits plus a training-free key-value cache (Zhang et al., ECCV 2022, arXiv 2207.09519, eq. 3-6): logits = s f W^T
 * + alpha exp(-beta (1 - f F^T)) L. Values are summed over the examples of a class and not averaged, so an alpha for one number of shots
 * does not suit another.
 */
export const tipAdapter = defineMethod({
  id: 'tip-adapter',
  name: 'Tip-Adapter',
  paper: 'Zhang et al., ECCV 2022, arXiv 2207.09519, eq. 3-6',
  needs: ['text', 'examples'],
  rotates: true,
  baseline: 1,
  benchmarked: true,
  options: {
    alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes relative to the class names." }),
    beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
  },
  fit: (_, { alpha, beta }) => ({ alpha, beta }),
  holds: () => ({ alpha: WEIGHT, beta: SCALE }),
  prepare: (state, task) => withCache(state, task),
  terms: (f, state, task) => ({
    text: zeroShotLogits(f, task.head),
    cache: mul(classSums(f, state), state.alpha), // [m, c]
  }),
  votes: (f, state) => mul(affinities(f, state), state.alpha), // [m, n]
});
