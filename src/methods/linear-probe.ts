import { linear, unit } from '../graph/products.ts';
import { first } from './anchored-regression.ts';
import { defineMethod } from './method.ts';
import { probeOptions, probesOf } from './probe-regression.ts';
import { streamedProbe } from './streamed-probe.ts';

/**
 * Linear-probe CLIP: multinomial logistic regression on unit features by L-BFGS, C sum_i CE_i + |W|^2 / 2, without a penalty on the bias
 * (Radford et al., ICML 2021, arXiv 2103.00020, section 3.2). C is swept as in its appendix A.3.
 */
export const linearProbe = defineMethod({
  id: 'linear-probe',
  name: 'Linear probe',
  paper: 'Radford et al., ICML 2021, arXiv 2103.00020, section 3.2',
  needs: ['examples'],
  benchmarked: true,
  ignores: ['prompts'],
  options: probeOptions,
  search: () => [-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3].map((power) => ({ c: 10 ** power })),
  fit: (task, options) => first(probesOf(task, [[...task.support.labels.keys()]], [options], 1e-8)),
  fitSubsets: (task, subsets, candidates) => probesOf(task, subsets, candidates, 1e-4),
  summary: streamedProbe,
  holds: ({ classes, dimension }) => ({
    weight: { shape: [classes, dimension] },
    bias: { shape: [classes] },
  }),
  prepare: (state) => state,
  terms: (f, { weight, bias }) => ({ method: linear(unit(f), weight, bias) }),
});
