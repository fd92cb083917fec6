import { cosineRate } from '../engine/training/schedule.ts';
import { mul, square, sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { sum } from '../graph/reduce.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { integer, optional, positive, real, type ValuesOf } from '../options.ts';
import { headInputs, type SymbolicTaskWith, type TaskWith } from './method.ts';
import { type Trained, train } from './train.ts';

/** Options of a matrix that is learnt near its start, with the published defaults without a validation set. */
export const nearStartOptions = {
  lambda: optional(
    real({
      min: 0,
      help: 'Weight of the penalty that keeps the learnt matrix near its start (default: 1 / shots).',
    }),
  ),
  epochs: integer({ default: 300, min: 1, help: 'Times each example is seen.' }),
  rate: positive({ default: 1e-3, help: 'Learning rate at the start; it falls to 0 along a cosine.' }),
};

/**
 * Learns a matrix near its start, as ProLIP does (Fahes et al., arXiv 2410.05270): loss = CE + lambda |M - start|^2, by Adam (eps 0.0001), one
 * step for each epoch on all examples. `scores` returns the scores [b, c] of a batch of rows, for the matrix as an expression.
 */
export async function learnNearStart(
  task: TaskWith<'text'>,
  start: Tensor,
  scores: (f: Expr, matrix: Expr, task: SymbolicTaskWith<'text'>) => Expr,
  { lambda, epochs, rate }: ValuesOf<typeof nearStartOptions>,
): Promise<Trained<'matrix'>> {
  const { task: symbolic, feeds } = headInputs(task);
  const matrix = input('matrix', start.shape);
  const change = sum(square(sub(matrix, input('start', start.shape))), [0, 1]);
  const weight = lambda ?? task.classes / task.support.labels.length;
  return train(task, {
    parameters: { matrix: start },
    fixed: { ...feeds, start, lambda: floatTensor([], Float32Array.of(weight)) },
    scores: ({ f }) => scores(f, matrix, symbolic),
    penalty: mul(change, input('lambda', [])),
    optimiser: { kind: 'adam', eps: 1e-4 },
    rate: (steps) => cosineRate(rate, steps),
    epochs,
    batch: Number.POSITIVE_INFINITY,
  });
}
