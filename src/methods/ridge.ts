import { giveWay } from '../abort.ts';
import { mul } from '../graph/elementwise.ts';
import { matmulT, unit } from '../graph/products.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { positive } from '../options.ts';
import { defineMethod, SCALE, type SummaryForm } from './method.ts';
import { addSquares, addTotals, momentsShape, solveRidge } from './moments.ts';
import { samplesOf } from './samples.ts';
import { summariseWith } from './summariser.ts';
import { rowCount, type Sums } from './summary.ts';
import { type Support, selectExamples, type Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** Multiplier of the scores if there are no names, whose logit scale it is otherwise. */
const NO_NAMES = 100;

const options = {
  lambda: positive({
    default: 0.1,
    help: 'Weight of the penalty on the squared weights, as a multiple of the mean eigenvalue of X^T X.',
  }),
};

const summary: SummaryForm<typeof options, never, Learnt> = {
  shapes: momentsShape,
  add: (sums, samples, { adder }) => {
    addTotals(sums, samples, adder);
    return addSquares(sums, samples, adder);
  },
  fit: learn,
};

/**
 * Ridge regression of what the class names leave unexplained (Hoerl and Kennard, Technometrics 1970): scores = s f W^T + s f A with A =
 * (X^T X + lambda n / d I)^-1 X^T (Y - X W^T), for unit rows X [n, d] and one-hot classes Y. n / d is the mean eigenvalue of X^T X. It is
 * ProKeR's regression with a linear kernel. Without names W is 0. Every augmented view is a sample.
 */
export const ridge = defineMethod({
  id: 'ridge',
  name: 'Ridge regression',
  paper:
    'Hoerl and Kennard, Technometrics 1970; on CLIP features as ProKeR, Bendou et al., CVPR 2025, with a linear kernel',
  needs: ['examples'],
  options,
  search: () => [0.001, 0.01, 0.03, 0.1, 0.3, 1, 3, 10].map((lambda) => ({ lambda })),
  fit: async (task, values) => learn(await sumsOf(task.support, task, values), task, values),
  fitSubsets: async function* (task, subsets, candidates) {
    const folds: Sums[] = [];
    for (const subset of subsets) {
      // The sums do not depend on lambda.
      folds.push(await sumsOf(selectExamples(task.support, subset), task, candidates[0]!));
    }
    for (const values of candidates) {
      const states: Learnt[] = [];
      for (const sums of folds) {
        await giveWay(task.signal);
        states.push(await learn(sums, task, values));
      }
      yield states;
    }
  },
  summary,
  holds: ({ classes, dimension }) => ({ weights: { shape: [classes, dimension] }, scale: SCALE }),
  prepare: (state) => state,
  terms: (f, { weights, scale }, task) => ({
    ...(task.head ? { text: zeroShotLogits(f, task.head) } : {}),
    method: mul(matmulT(unit(f), weights), scale), // [m, c]
  }),
});

function sumsOf(support: Support, task: Task, options: { lambda: number }): Promise<Sums> {
  return summariseWith(summary, samplesOf(support), { task, options }, task);
}

type Learnt = { readonly weights: Tensor; readonly scale: number };

/** A^T [c, d], in float64. With R = X^T X + r I, A = R^-1 X^T (Y - X W^T) = R^-1 (X^T Y + r W^T) - W^T, and X^T Y are the classes' totals. */
async function learn(
  summarised: Sums,
  { classes: c, dimension: d, head }: Task,
  { lambda }: { lambda: number },
): Promise<Learnt> {
  const { totals, squares } = summarised.sums;
  const names = head?.weights.data;
  const r = (lambda * rowCount(summarised)) / d;
  const right = new Float64Array(d * c);
  for (let k = 0; k < c; k++)
    for (let j = 0; j < d; j++)
      right[j * c + k] = totals!.data[k * d + j]! + (names ? r * names[k * d + j]! : 0);
  const solved = solveRidge(squares!.data, r, right, c); // [d, c]
  const weights = new Float32Array(c * d);
  for (let k = 0; k < c; k++)
    for (let j = 0; j < d; j++) weights[k * d + j] = solved[j * c + k]! - (names ? names[k * d + j]! : 0);
  return { weights: floatTensor([c, d], weights), scale: head?.logitScale ?? NO_NAMES };
}
