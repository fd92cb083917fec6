import type { SummaryOrigin } from '../methods/summary.ts';
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

/** The origin of the rows of a classifier's summary. */
export function originOf({
  method,
  encoder,
  classes,
}: Pick<ClassifierData, 'method' | 'encoder' | 'classes'>): SummaryOrigin {
  return { method, encoder: encoder.fingerprint, classes: classes.map(({ id }) => id) };
}
