import { cosineRate } from '../engine/training/schedule.ts';
import { mul, square, sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { integer, optional, positive, real } from '../options.ts';
import { COUNT, defineMethod, headInputs, type SymbolicTaskWith, type TaskWith } from './method.ts';
import { type Training, train } from './train.ts';

/**
 * The regularised linear adapter of the ProLIP paper (Fahes et al., arXiv 2410.05270, section "Regularized Linear Adapter"). Embeddings are multiplied
 * by a matrix A, which starts as the identity, and a penalty keeps A near the identity: loss = CE + lambda |A - I|^2. ProLIP itself learns the encoder's
 * last projection P. The adapter replaces ProLIP if only embeddings are available: it learns P A^T in place of P. Every step uses all examples.
 */
export const rla = defineMethod({
  id: 'rla',
  name: 'Regularised linear adapter',
  paper: 'Fahes et al., arXiv 2410.05270 (ProLIP), section "Regularized Linear Adapter"',
  notes: [
    '**Equations.** `scores = s unit(f A^T) W^T`, `loss = CE + lambda |A - I|^2` (squared Frobenius norm), `lambda = 1 / shots`; Adam (eps 0.0001), one step per epoch on all examples with a new view of each, a cosine schedule for the rate.',
    "**Published.** ProLIP itself, which learns the projection P in place of A, has 84.01 / 73.86 / 78.61% on base classes, new classes and their harmonic mean (16 shots, ViT-B/16, eleven data sets; the authors' README). The paper proposes this adapter for encoders whose weights cannot be trained.",
    "**Left out.** ProLIP, which needs the encoder's features before the projection. They cannot be computed from embeddings, because P maps 768 to 512 dimensions in ViT-B/32 and 2,048 to 1,024 in RN50. The search for rate and lambda on a validation split is left out too; the published setting without validation is the default.",
  ].join('\n\n'),
  needs: ['text', 'examples'],
  trains: true,
  options: {
    lambda: optional(
      real({
        min: 0,
        help: 'Weight of the penalty that keeps the adapter near the identity (default: 1 / shots).',
      }),
    ),
    epochs: integer({ default: 300, min: 1, help: 'Times each example is seen.' }),
    rate: positive({ default: 1e-3, help: 'Learning rate at the start; it falls to 0 along a cosine.' }),
  },
  fit: async (task, options) => {
    const { labels } = task.support;
    const training = linearTraining(task, {
      ...options,
      lambda: options.lambda ?? task.classes / labels.length,
    });
    const { parameters, epochs } = await train(task, training);
    return { ...parameters, epochs };
  },
  holds: ({ dimension }) => ({ adapter: { shape: [dimension, dimension] }, epochs: COUNT }),
  prepare: ({ adapter }) => ({ adapter }),
  terms: (f, { adapter }, task) => ({ text: adaptedLogits(f, adapter, task) }),
});

/** s unit(f A^T) W^T, [m, c]. */
function adaptedLogits(f: Expr, adapter: Expr, { head }: SymbolicTaskWith<'text'>): Expr {
  return mul(matmulT(unit(linear(f, adapter)), head.weights), head.logitScale);
}

/** The published training: Adam, one step per epoch. */
function linearTraining(
  task: TaskWith<'text'>,
  { lambda, epochs, rate }: { lambda: number; epochs: number; rate: number },
): Training<'adapter'> {
  const { task: symbolic, feeds } = headInputs(task);
  const start = identity(task.dimension);
  const adapter = input('adapter', start.shape);
  const change = sum(square(sub(adapter, input('identity', start.shape))), [0, 1]);
  return {
    parameters: { adapter: start },
    fixed: { ...feeds, identity: start, lambda: floatTensor([], Float32Array.of(lambda)) },
    scores: ({ f }) => adaptedLogits(f, adapter, symbolic),
    penalty: mul(change, input('lambda', [])),
    optimiser: { kind: 'adam', eps: 1e-4 },
    rate: (steps) => cosineRate(rate, steps),
    epochs,
    batch: Number.POSITIVE_INFINITY,
  };
}

function identity(d: number): Tensor {
  return floatTensor(
    [d, d],
    Float32Array.from({ length: d * d }, (_, at) => Number(at % (d + 1) === 0)),
  );
}
