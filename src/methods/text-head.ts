import { type Matrix, matrix, row, unitRows } from '../math/matrix.ts';
import type { TaskWith } from './method.ts';
import { countByClass, type TextHead } from './task.ts';

/**
 * The zero-shot classifier of a prompt ensemble: each class's row is the unit mean of its prompts' unit embeddings (CLIP,
 * section 3.1.4). A class without a prompt keeps a row of zeros.
 *
 * @param promptFeatures embeddings as the encoder gives them, [p, d] @param promptClass class of each, [p]
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

/** Each class's mean prompt embedding at its own length, [c, d]: what methods start from that do not normalise the text. */
export function rawText({ head, classes, dimension }: TaskWith<'text'>): Matrix {
  const means = matrix(classes, dimension);
  const counts = countByClass(head.promptClass, classes);
  head.promptClass.forEach((label, p) => {
    const target = row(means, label);
    const source = row(head.promptFeatures, p);
    for (let j = 0; j < source.length; j++) target[j]! += source[j]! / counts[label]!;
  });
  return means;
}
