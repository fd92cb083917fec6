import { rowCounts } from '../methods/summary.ts';
import { countByClass } from '../methods/task.ts';
import type { ClassifierData } from './types.ts';

type Learnt = Pick<ClassifierData, 'classes' | 'support' | 'summary'>;

/** The number of examples of each class that a classifier has learnt from, whether it keeps them or only their summary, [c]. */
export function exampleCounts({ classes, support, summary }: Learnt): number[] {
  return Array.from(summary ? rowCounts(summary) : countByClass(support.labels, classes.length));
}

/** The number of examples that a classifier has learnt from. */
export function exampleCount(data: Learnt): number {
  return exampleCounts(data).reduce((sum, n) => sum + n, 0);
}
