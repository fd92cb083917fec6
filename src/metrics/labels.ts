import { UsageError } from '../errors.ts';
import type { Matrix } from '../math/matrix.ts';
import { count } from '../words.ts';

/** Throws `UsageError` `metrics/labels` unless there is one label for each row, and each label is a column of the matrix [n, c]. */
export function checkLabels({ rows, cols }: Matrix, labels: ArrayLike<number>): void {
  if (labels.length !== rows) {
    throw new UsageError(`${count(rows, 'row')} and ${count(labels.length, 'label')} do not fit together`, {
      code: 'metrics/labels',
      details: { rows, labels: labels.length },
    });
  }
  for (let i = 0; i < rows; i++) {
    if (Number.isInteger(labels[i]) && labels[i]! >= 0 && labels[i]! < cols) continue;
    throw new UsageError(`The label of row ${i} is ${labels[i]}; the classes are 0 to ${cols - 1}`, {
      code: 'metrics/labels',
      details: { row: i, label: labels[i], classes: cols },
    });
  }
}
