import { linear, unit } from '../graph/products.ts';
import { matrix, row, scaled } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { positive } from '../options.ts';
import { first, regressions } from './anchored-regression.ts';
import { defineMethod } from './method.ts';
import { keysOf, type Task } from './task.ts';

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
  options: { c: positive({ default: 0.316, help: 'Weight of the examples relative to the penalty.' }) },
  search: () => [-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3].map((power) => ({ c: 10 ** power })),
  fit: (task, options) => first(solve(task, [[...task.support.labels.keys()]], [options], 1e-8)),
  fitSubsets: (task, subsets, candidates) => solve(task, subsets, candidates, 1e-4),
  holds: ({ classes, dimension }) => ({
    weight: { shape: [classes, dimension] },
    bias: { shape: [classes] },
  }),
  prepare: (state) => state,
  terms: (f, { weight, bias }) => ({ method: linear(unit(f), weight, bias) }),
});

/** Multiplier of the unit features, and of the bias's column of ones, during the optimisation. */
const SCALE = 100;

type Probe = { readonly weight: Tensor; readonly bias: Tensor };

async function* solve(
  task: Task,
  subsets: readonly (readonly number[])[],
  candidates: readonly { c: number }[],
  tolerance: number,
): AsyncGenerator<Probe[]> {
  const { support, dimension: d, classes } = task;
  const keys = keysOf(support);
  const solutions = regressions(task, {
    rows: scaled(keys, SCALE),
    subsets,
    penalties: candidates.map(({ c }) => (0.5 * SCALE ** 2) / (c * subsets[0]!.length)),
    // With this scale all parameters have a similar size, and the descent is even.
    bias: SCALE,
    tolerance,
  });
  for await (const folds of solutions) yield folds.map((parameters) => parted(parameters, classes, d));
}

/** Weights [c, d] and bias [c] (the last column), for features that are not scaled. */
function parted({ data }: Tensor, classes: number, d: number): Probe {
  const whole = matrix(classes, d + 1, data as Float32Array);
  const weight = matrix(classes, d);
  const bias = new Float32Array(classes);
  for (let c = 0; c < classes; c++) {
    row(weight, c).set(
      row(whole, c)
        .subarray(0, d)
        .map((x) => x * SCALE),
    );
    bias[c] = row(whole, c)[d]! * SCALE;
  }
  return { weight: floatTensor([classes, d], weight.data), bias: floatTensor([classes], bias) };
}
