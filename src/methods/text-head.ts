import { type Matrix, matrix, row, unitRows } from '../math/matrix.ts';
import type { TextHead } from './task.ts';

/**
 * The zero-shot classifier of a prompt ensemble: the row of each class is the mean of its prompts' unit embeddings, brought to unit length
 * (CLIP, section 3.1.4). A class without a prompt keeps a row of zeros.
 *
 * @param promptFeatures embeddings as the encoder gives them, [p, d]
 * @param promptClass class of each, [p]
 */
export function headFromPrompts(
  promptFeatures: Matrix,
  promptClass: Int32Array,
  classes: number,
  logitScale: number,
): TextHead {
  const unit = unitRows(promptFeatures);
  const sums = matrix(classes, promptFeatures.cols);
  promptClass.forEach((label, p) => {
    const target = row(sums, label);
    const source = row(unit, p);
    for (let j = 0; j < source.length; j++) target[j]! += source[j]!;
  });
  return { weights: unitRows(sums), promptFeatures, promptClass, logitScale };
}
