import type { Task } from '../methods/task.ts';
import type { ClassifierData } from './types.ts';

type Classified = Pick<ClassifierData, 'classes' | 'encoder' | 'support' | 'head'> & {
  readonly seed?: number;
};

/** A classifier's data as the task that its method gets. */
export function taskOf(
  { classes, encoder, support, head, seed = 1 }: Classified,
  signal?: AbortSignal,
): Task {
  return { classes: classes.length, dimension: encoder.dimension, support, head, seed, signal };
}
