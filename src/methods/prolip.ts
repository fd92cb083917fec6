import { ModelError } from '../errors.ts';
import { mul } from '../graph/elementwise.ts';
import { constant, type Expr, knownSize } from '../graph/expression.ts';
import { concat, slice } from '../graph/layout.ts';
import { matmul, matmulT, unit } from '../graph/products.ts';
import { concatRows, matrixOf } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { COUNT, defineMethod, type SymbolicTaskWith } from './method.ts';
import { learnNearStart, nearStartOptions } from './near-start.ts';
import { featuresIn, PROJECTED_SCALE, type Projection } from './projection.ts';

/**
 * ProLIP (Fahes et al., arXiv 2410.05270): learns the image tower's last projection P from the features x before it, near the pretrained
 * P0, with the class names as fixed rows. Scores and gradients do not depend on the length of x, so rows keep x at unit length.
 */
export const proLip = defineMethod({
  id: 'prolip',
  name: 'ProLIP',
  paper: 'Fahes et al., arXiv 2410.05270',
  notes: [
    '**Equations.** `scores = s unit(x P) W^T` for the features `x` before the projection, `loss = CE + lambda |P - P0|^2` (squared Frobenius norm), `lambda = 1 / shots`; Adam (eps 0.0001), one step per epoch on all examples with a new view of each, a cosine schedule for the rate. The bias that a ResNet has behind P stays as it is. `--lambda` 1 / shots^2 and rates from 1e-5 to 1e-2 are the published alternatives.',
    "**Published.** 64.39 / 67.20 / 70.01 / 73.02 / 75.73% with 1 / 2 / 4 / 8 / 16 shots without a validation set, at the defaults here (lambda 1 / shots, rate 0.001; mean of eleven data sets and ten draws, RN50; zero-shot 58.89). Rates from 1e-5 to 1e-2 differ by at most 0.53 points; without the penalty, 1e-2 ends at 35.62% (16 shots). Base classes / new classes / harmonic mean: 84.01 / 73.86 / 78.61% (16 shots, ViT-B/16). Source: tables in the authors' README.",
    '**Left out.** The search for rate and lambda on a validation split, test-time ProLIP, and the combinations with Tip-Adapter-F and TaskRes. The authors train in half precision with 300 views of each picture; here it is single precision, and `--views` gives the number of views (default: the plain picture alone). Its accuracy has not been measured here, because no pretrained weights were available. A test compares losses, gradients and scores with PyTorch.',
    '**Encoder.** It needs the features before the projection and P0, which a CLIP built from its weights has (`encoders list` names such encoders; a folder with weights is one, too). `fit --method prolip` adds them to the encoder, whose name then ends with [`+pre-projection`](encoders.md#features-before-the-projection).',
  ].join('\n\n'),
  needs: ['text', 'examples', 'projection'],
  trains: true,
  options: nearStartOptions,
  fit: async (task, options) => {
    const { start, bias } = startOf(task.projection);
    const whole = (learnt: Expr) => (bias ? concat([learnt, constant(bias)], 0) : learnt);
    const { parameters, epochs } = await learnNearStart(
      task,
      start,
      (f, learnt, symbolic) => projectedLogits(f, whole(learnt), symbolic),
      options,
    );
    const parts = [parameters.matrix, ...(bias ? [bias] : [])];
    const { rows, cols, data } = concatRows(parts.map(matrixOf));
    return { projection: floatTensor([rows, cols], data), embedding: cols, epochs };
  },
  holds: () => ({
    projection: { shape: ['features', 'embedding'] },
    embedding: COUNT,
    epochs: COUNT,
  }),
  prepare: ({ projection, embedding }, { dimension }) => {
    const [w, d] = projection.shape;
    if (d !== embedding || w !== dimension - embedding)
      throw new ModelError(
        `state.projection is [${w}, ${d}] instead of [${dimension - embedding}, ${embedding}]`,
        { code: 'classifier/damaged' },
      );
    return { projection };
  },
  terms: (f, { projection }, task) => ({ text: projectedLogits(f, projection, task) }),
});

/** s unit(x P) W^T, [m, c], for rows [m, d + w] that have x in their last w columns. Names have their row in the first d columns. */
function projectedLogits(rows: Expr, projection: Expr, { head }: SymbolicTaskWith<'text'>): Expr {
  const d = knownSize('projectedLogits', projection, 1);
  const embeddings = unit(matmul(featuresIn(rows, d), projection));
  return mul(matmulT(embeddings, slice(head.weights, 1, 0, d)), mul(head.logitScale, 1 / PROJECTED_SCALE));
}

/** The rows of P0 that are learnt, and its bias [1, d] if it has one. */
function startOf({ weight: { rows, cols, data }, bias }: Projection): { start: Tensor; bias?: Tensor } {
  const learnt = rows - bias;
  const start = floatTensor([learnt, cols], data.subarray(0, learnt * cols));
  return bias ? { start, bias: floatTensor([bias, cols], data.subarray(learnt * cols)) } : { start };
}
