import type { Method } from '../methods/method.ts';
import type { SummaryOrigin } from '../methods/summary.ts';
import { sumOptionsOf } from '../methods/summary-shapes.ts';
import type { Task } from '../methods/task.ts';
import type { Options, ValuesOf } from '../options.ts';
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

/** The origin of the rows of a classifier's summary, for a method that has a form for summaries. */
export function originOf(
  { encoder, classes }: Pick<ClassifierData, 'encoder' | 'classes'>,
  method: Method,
  options: ValuesOf<Options>,
): SummaryOrigin {
  return {
    method: method.id,
    encoder: encoder.fingerprint,
    classes: classes.map(({ id }) => id),
    options: sumOptionsOf(method.summary!, options),
  };
}
