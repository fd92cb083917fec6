import { type Matrix, matrix, norm, row, scaled } from '../math/matrix.ts';
import type { TaskWith } from './method.ts';
import { countByClass, type TextHead } from './task.ts';

/**
 * Mean length of the text embeddings of OpenAI's CLIP ViT-B/32: 8.0 to 13.4 over the 2,148 class names of COCO, LVIS, Objects365 and Open
 * Images as "a NAME" (the embeddings that Detic, arXiv 2201.02605, publishes).
 */
const USUAL_LENGTH = 9.9;
/** A row whose length differs from 1 by no more than this counts as a unit row. */
const UNIT = 0.01;

/** Whether prompt embeddings have the length that the encoder gave them. Features are often stored as unit rows. */
function hasOwnLength({ promptFeatures }: TextHead): boolean {
  for (let p = 0; p < promptFeatures.rows; p++) {
    if (Math.abs(norm(row(promptFeatures, p)) - 1) > UNIT) return true;
  }
  return false;
}

/** The remark of a method that starts from text at the encoder's length, if the text has lost that length. */
export function lengthRemarks(method: string, head: TextHead): string[] {
  if (hasOwnLength(head)) return [];
  return [
    `${method} starts from text embeddings at their own length; these have length 1 and were scaled to ${USUAL_LENGTH}, the mean length of OpenAI's CLIP ViT-B/32`,
  ];
}

/** `rawText`, [c, d]. Text that has lost its length is scaled to the usual length of CLIP's text embeddings. */
export function lengthenedText(task: TaskWith<'text'>): Matrix {
  const means = rawText(task);
  return hasOwnLength(task.head) ? means : scaled(means, USUAL_LENGTH);
}

/** Each class's mean prompt embedding as the encoder gives them, [c, d]. */
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
