import { mul } from '../graph/elementwise.ts';
import { matmulT, unit } from '../graph/products.ts';
import { type Matrix, scaled } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { optional, positive } from '../options.ts';
import { first, regressions } from './anchored-regression.ts';
import { defineMethod } from './method.ts';
import { createScorer, scoreRows } from './score.ts';
import { keysOf, type Task } from './task.ts';
import { zeroShot, zeroShotLogits } from './zero-shot.ts';

/** Multiplier of the residual's cosines. It is CLIP's logit scale, so that a `strength` means the same for every encoder. */
const SCALE = 100;

/**
 * Text-anchored logistic regression: W' = W + D with D = argmin mean CE(s (W + D) f, y) + (strength / K) |D|^2 for K examples of each
 * class. It is the maximum a posteriori estimate under a Gaussian prior that is centred on the zero-shot classifier and has one width for
 * each class. The problem is convex, so it has one solution and needs neither a seed nor a number of epochs. CLAP (arXiv 2312.12730) also
 * anchors by text, but with other penalties and by SGD. Without a text head this is logistic regression with an L2 penalty.
 */
export const anchored = defineMethod({
  id: 'anchored',
  name: 'Text-anchored logistic regression',
  paper: 'This package; after Silva-Rodríguez et al., CVPR 2024, arXiv 2312.12730',
  needs: ['examples'],
  rotates: true,
  auto: { order: 1, untuned: true },
  options: {
    strength: optional(
      positive({
        help: 'Weight of the penalty that keeps the classifier near the class names, per example (default: 0.3; 1 at one shot).',
      }),
    ),
  },
  search: ({ head, support }) => {
    const few = support.labels.length < 4 * new Set(support.labels).size;
    // Few examples are enough to overrule the names of a weak text encoder. With many examples, names do no harm.
    const strengths =
      head?.logitScale === SCALE ? [1, 0.3, 0.1] : few ? [1, 0.3, 0.1, 0.03] : [3, 1, 0.3, 0.1];
    return strengths.map((strength) => ({ strength }));
  },
  fit: (task, options) => first(solve(task, [[...task.support.labels.keys()]], [options], PRECISE)),
  fitSubsets: (task, subsets, candidates) => solve(task, subsets, candidates, COARSE),
  holds: ({ classes, dimension }) => ({ residual: { shape: [classes, dimension] } }),
  prepare: (state) => state,
  terms: (f, { residual }, task) => ({
    ...(task.head ? { text: zeroShotLogits(f, task.head) } : {}),
    method: mul(matmulT(unit(f), residual), SCALE), // s f D^T
  }),
});

/** The share of the possible gain that may remain, for the answer that is kept and for the answers that a choice is made by. */
const PRECISE = 1e-6;
const COARSE = 1e-4;

async function* solve(
  task: Task,
  subsets: readonly (readonly number[])[],
  candidates: readonly { strength?: number }[],
  tolerance: number,
): AsyncGenerator<{ residual: Tensor }[]> {
  const { head, support, start } = task;
  const keys = keysOf(support);
  const shots = subsets[0]!.length / new Set(support.labels).size;
  const solutions = regressions(task, {
    rows: scaled(keys, SCALE),
    subsets,
    offset: head && (await zeroShotOf(keys, task)),
    penalties: candidates.map(({ strength = shots < 2 ? 1 : 0.3 }) => strength / shots),
    start: start?.residual as Tensor | undefined,
    tolerance,
  });
  for await (const folds of solutions) yield folds.map((residual) => ({ residual }));
}

async function zeroShotOf(keys: Matrix, task: Task): Promise<Matrix> {
  if (!task.engine) return scoreRows(zeroShot, {}, task, keys);
  const scorer = await createScorer(task.engine, zeroShot, {}, task);
  try {
    return await scorer.scores(keys, task);
  } finally {
    await scorer.close();
  }
}
