import { type Abortable, waitFor } from '../abort.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { type Matrix, matrix, softmaxRows } from '../math/matrix.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import { methodById } from '../methods/index.ts';
import type { FitProgress } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { tuningRowsOfFolds } from '../tuning/cache-search.ts';
import { outOfFold } from '../tuning/out-of-fold.ts';
import { taskOf } from './classifier-task.ts';
import { openParts, partsOf } from './learn.ts';
import type { ClassifierData } from './types.ts';

/** Answers to a classifier's own examples, from classifiers of the same method and options that have not learnt from them. */
export interface LeftOutAnswers {
  /** Indices of the examples that could be left out: those of classes with at least two groups. Ascending. */
  readonly examples: readonly number[];
  /** One row for each of them, [n, c]. */
  readonly probabilities: Matrix;
  readonly folds: number;
}

/** Largest numbers of folds, because a method that trains needs a whole training for each fold. */
const MOST_FOLDS = { closedForm: 10, trained: 4 };

/** Options of `leftOutAnswers`. */
export interface LeftOutOptions extends Abortable {
  /** Opens the encoder, whose text tower some methods train. */
  encoder?(): Promise<Encoder>;
  /** Largest number of folds (default: 10, or 4 if the method trains). */
  readonly mostFolds?: number;
  onFit?(progress: FitProgress): void;
}

/**
 * The answers to a classifier's examples by leave-one-shot-out: the constants and the temperature stay, and the method is fitted again
 * without the examples of a fold. Undefined if no example can be left out.
 */
export async function leftOutAnswers(
  data: ClassifierData,
  { encoder, mostFolds, signal, onFit }: LeftOutOptions = {},
): Promise<LeftOutAnswers | undefined> {
  const method = methodById(data.method);
  const most = mostFolds ?? (method.trains ? MOST_FOLDS.trained : MOST_FOLDS.closedForm);
  const folds = leaveOneShotOut(data.support, most);
  if (folds.count < 2) return undefined;
  const parts =
    encoder && partsOf(method).length > 0
      ? await waitFor(openParts(data, await encoder(), method.id), signal)
      : {};
  const engine = sharedEngine();
  const task = { ...taskOf(data, signal), engine, ...parts, onProgress: onFit };
  const rows = tuningRowsOfFolds(data.support, folds);
  const options = resolveOptions(method.options, data.options);
  const [terms] = await outOfFold(engine, method, task, rows, [options]);
  const scores = matrix(rows.labels.length, task.classes);
  for (const term of Object.values(terms!)) {
    for (let i = 0; i < scores.data.length; i++) scores.data[i]! += term.data[i]!;
  }
  return {
    examples: [...folds.query.keys()].filter((i) => folds.query[i]! >= 0),
    probabilities: softmaxRows(scores, data.tuning.temperature),
    folds: folds.count,
  };
}
