import { positive } from '../options.ts';
import { affinities, classSums, withCache } from './cache.ts';
import { defineMethod, SCALE } from './method.ts';

/**
 * The cache alone, without class names: exp(-beta (1 - f F^T)) L. Tip-Adapter's Fig. 3 calls this family visual-only caches (unbounded
 * cache, Grave et al. 2017; Matching Networks, Vinyals et al. 2016).
 */
export const visualOnly = defineMethod({
  id: 'visual-only',
  name: 'Visual-only cache',
  paper: 'Zhang et al., ECCV 2022, arXiv 2207.09519, section 3.3',
  needs: ['examples'],
  benchmarked: true,
  ignores: ['prompts'],
  options: {
    beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
  },
  fit: (_, { beta }) => ({ beta }),
  holds: () => ({ beta: SCALE }),
  prepare: (state, task) => withCache(state, task),
  terms: (f, state) => ({ cache: classSums(f, state) }),
  votes: affinities,
});
