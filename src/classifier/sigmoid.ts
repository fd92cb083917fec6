import { UsageError } from '../errors.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { zeroShot } from '../methods/zero-shot.ts';
import type { ClassifierData } from './types.ts';

/**
 * The bias of a classifier's sigmoid probabilities. Throws `UsageError` if it has none, because its encoder was trained with a softmax or its
 * method makes other scores than the encoder's.
 */
export function sigmoidBias({ method, encoder }: Pick<ClassifierData, 'method' | 'encoder'>): number {
  const { id, logitBias } = encoder;
  if (method === zeroShot.id && logitBias !== undefined) return logitBias;
  throw new UsageError(
    method === zeroShot.id
      ? `The encoder ${id} has no sigmoid probability: its bias is not known`
      : `A classifier of the method ${method} has no sigmoid probability`,
    {
      code: 'predict/sigmoid',
      hint: 'Fit a classifier with the method zero-shot and the weights of a SigLIP. ONNX exports do not state the bias.',
      details: { method, encoder: id },
    },
  );
}

/** The sigmoid of each score plus the bias: [m, c] to [m, c] (Zhai et al., ICCV 2023, arXiv 2303.15343, section 3.2). */
export function sigmoidRows({ rows, cols, data }: Matrix, bias: number): Matrix {
  return matrix(
    rows,
    cols,
    data.map((score) => 1 / (1 + Math.exp(-score - bias))),
  );
}
