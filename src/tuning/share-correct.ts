import { argmax, type Matrix, row } from '../math/matrix.ts';

/** Share of the rows [q, c] whose true class has the largest score. */
export function shareCorrect(scores: Matrix, labels: Int32Array): number {
  let correct = 0;
  labels.forEach((label, i) => {
    if (argmax(row(scores, i)) === label) correct++;
  });
  return correct / labels.length;
}
