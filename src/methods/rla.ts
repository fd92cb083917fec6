import { mul } from '../graph/elementwise.ts';
import type { Expr } from '../graph/expression.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { identity } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { COUNT, defineMethod, type SymbolicTaskWith } from './method.ts';
import { learnNearStart, nearStartOptions } from './near-start.ts';

/**
 * The regularised linear adapter of the ProLIP paper (Fahes et al., arXiv 2410.05270, section "Regularized Linear Adapter"). Embeddings are multiplied
 * by a matrix A, which starts as the identity, and a penalty keeps A near the identity: loss = CE + lambda |A - I|^2. ProLIP itself (`prolip.ts`)
 * learns the encoder's last projection P. The adapter replaces it if only embeddings are available: it learns P A^T in place of P.
 */
export const rla = defineMethod({
  id: 'rla',
  name: 'Regularised linear adapter',
  paper: 'Fahes et al., arXiv 2410.05270 (ProLIP), section "Regularized Linear Adapter"',
  notes: [
    '**Equations.** `scores = s unit(f A^T) W^T`, `loss = CE + lambda |A - I|^2` (squared Frobenius norm), `lambda = 1 / shots`; Adam (eps 0.0001), one step per epoch on all examples with a new view of each, a cosine schedule for the rate.',
    '**Published.** The paper proposes this adapter for encoders whose weights cannot be trained, and shows its accuracy in a figure only.',
    '**Left out.** The search for rate and lambda on a validation split; the published setting without validation is the default.',
  ].join('\n\n'),
  needs: ['text', 'examples'],
  trains: true,
  options: nearStartOptions,
  fit: async (task, options) => {
    const { parameters, epochs } = await learnNearStart(
      task,
      floatTensor([task.dimension, task.dimension], identity(task.dimension).data),
      adaptedLogits,
      options,
    );
    return { adapter: parameters.matrix, epochs };
  },
  holds: ({ dimension }) => ({ adapter: { shape: [dimension, dimension] }, epochs: COUNT }),
  prepare: ({ adapter }) => ({ adapter }),
  terms: (f, { adapter }, task) => ({ text: adaptedLogits(f, adapter, task) }),
});

/** s unit(f A^T) W^T, [m, c]. */
function adaptedLogits(f: Expr, adapter: Expr, { head }: SymbolicTaskWith<'text'>): Expr {
  return mul(matmulT(unit(linear(f, adapter)), head.weights), head.logitScale);
}
