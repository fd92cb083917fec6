import type { TrainingSpec } from '../../engine/training/types.ts';
import { mul } from '../../graph/elementwise.ts';
import { type Expr, input, inputsOf } from '../../graph/expression.ts';
import { matmulT, unit } from '../../graph/products.ts';
import type { Tensor } from '../../math/tensor.ts';
import { countCorrect, crossEntropy } from '../../methods/loss.ts';
import type { ClipFacts } from './facts.ts';
import { keptMasks, type LowRank, startMatrices, withChanges } from './low-rank.ts';
import { textTower } from './text-transformer.ts';
import { imageTower, weightsOf } from './towers.ts';
import type { Weights } from './transformer.ts';
import { type Checkpoint, widened } from './weights.ts';

/** A training of low-rank changes. */
export interface FineTuningPlan {
  /** Feeds of a step: `pixel_values` [n, 3, size, size], `labels` [n, 1], and dropout's masks. */
  readonly spec: TrainingSpec;
  /** Dropout's masks for a step of `rows` pictures. */
  masks(rows: number, ...seed: (string | number)[]): Record<string, Tensor>;
}

/**
 * The training of CLIP-LoRA (Zanella and Ben Ayed, CVPRW 2024, arXiv 2405.18541): the cross-entropy of the zero-shot scores of a batch, minimised
 * by AdamW in the matrices of the low-rank changes.
 *
 * @param texts tokens of the classes' prompts [c, t] (int64), or their embeddings [c, d] if the text tower is not changed
 */
export async function fineTuningPlan(
  checkpoint: Checkpoint,
  { shape, logitScale }: Pick<ClipFacts, 'shape' | 'logitScale'>,
  texts: Tensor,
  { seed, ...how }: LowRank & { readonly seed: number },
): Promise<FineTuningPlan> {
  const { shapes } = checkpoint;
  const given = input('texts', texts.shape, texts.dtype === 'int64' ? 'int64' : 'float32');
  const labels = input('labels', ['n', 1]);
  const scoresWith = (plain: Weights): Expr => {
    const weights = withChanges(plain, shapes, how);
    const images = imageTower({ image: shape.image, dimension: shape.dimension })(weights);
    const words = texts.dtype === 'int64' ? textTower(given, weights, shape.text) : given;
    return mul(matmulT(unit(images), unit(words)), logitScale); // [n, c]
  };
  const used = await weightsOf(checkpoint, scoresWith);
  const plain = (name: string) => input(`clip.${name}`, shapes.get(name)!);
  const scores = scoresWith(plain);
  const loss = crossEntropy(scores, labels);
  const weights = [...used].map(([name, tensor]): [string, Tensor] => [
    `clip.${name}`,
    widened(tensor, name),
  ]);
  const inputs = inputsOf([loss]);
  return {
    spec: {
      parameters: startMatrices(shapes, how, seed),
      fixed: { ...Object.fromEntries(weights), texts },
      loss,
      observe: { correct: countCorrect(scores, labels) },
      optimiser: { kind: 'adamw', weightDecay: 0.01 },
    },
    masks: (rows, ...step) => (how.dropout === 0 ? {} : keptMasks(inputs, rows, how, seed, ...step)),
  };
}
