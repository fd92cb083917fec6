import type { Engine } from '../engine/types.ts';
import { argmax, type Matrix, row } from '../math/matrix.ts';
import type { Method } from '../methods/method.ts';
import type { Task } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { foldJudges, type Judges, splitJudges } from './cache-search.ts';
import { leaveOneShotOut } from './folds.ts';
import { outOfFold } from './out-of-fold.ts';
import { fitWeights } from './scale.ts';
import type { Protocol } from './tune.ts';

/** How a classifier's numbers were chosen. */
export interface Choice {
  /** Scores divided by it are calibrated log-odds; 1 where nothing could be fitted. */
  readonly temperature: number;
  /** Mean negative log-likelihood of the judges, where there were any. */
  readonly nll?: number;
  readonly protocol: Protocol;
  /** Rows that judged, and folds they came from (0: not folds). */
  readonly judges: number;
  readonly folds: number;
  /** What was looked at: the options' values and the `nll` they reached. */
  readonly surface: readonly Readonly<Record<string, number>>[];
  /** How methods did on the same judges, the chosen one first. */
  readonly compared?: readonly Compared[];
}

export interface Compared {
  readonly method: string;
  readonly nll: number;
  /** Share of the judges that were right. */
  readonly accuracy: number;
}

/** A method's best options by the judges, and what it then says about them. */
export interface Found {
  readonly options: Readonly<Record<string, unknown>>;
  readonly temperature: number;
  readonly nll: number;
  /** [q, c]. */
  readonly scores: Matrix;
  readonly surface: Choice['surface'];
}

/** Rows that judge, and where they come from. */
export interface Jury {
  readonly judges: Judges;
  readonly protocol: Protocol;
  readonly folds: number;
}

/** Every further fold costs a fit of each candidate; four tell nearly all there is to know. */
const MOST_FOLDS = 4;

/** Leave-one-shot-out judges; undefined where no class has two groups of examples. */
export function foldJury({ support }: Task): Jury | undefined {
  const folds = leaveOneShotOut(support, MOST_FOLDS);
  if (folds.count < 2) return undefined;
  return { judges: foldJudges(support, folds), protocol: 'folds', folds: folds.count };
}

/** A validation split as judges: features [q, d] as the encoder gives them. */
export function splitJury(
  { support }: Task,
  { features, labels }: { features: Matrix; labels: Int32Array },
): Jury {
  return { judges: splitJudges(support, features, labels), protocol: 'val', folds: 0 };
}

/**
 * Chooses a method's options, among `candidates` or those it names itself, by the judges' mean negative log-likelihood; each
 * candidate has a temperature of its own, so that it is judged by what it knows and not by how loudly it says so.
 */
export async function searchMethod(
  engine: Engine,
  method: Method,
  task: Task,
  { judges }: Jury,
  candidates: readonly Readonly<Record<string, unknown>>[] = method.search?.(task) ?? [{}],
): Promise<Found> {
  const options = candidates.map((given) => resolveOptions(method.options, given));
  const scores = await outOfFold(engine, method, task, judges, options);
  const found = scores.map((matrix, i) => {
    const { b, nll } = fitWeights(undefined, matrix, judges.labels);
    return { options: options[i], temperature: 1 / b, nll, scores: matrix };
  });
  const best = found.reduce((x, y) => (y.nll < x.nll ? y : x));
  const surface = found.map(({ options: values, nll }) => {
    const numbers = Object.entries(values).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    );
    return { ...Object.fromEntries(numbers), nll };
  });
  return { ...best, surface };
}

/** Share of rows [q, c] whose own class has the largest score. */
export function shareCorrect(scores: Matrix, labels: Int32Array): number {
  let correct = 0;
  labels.forEach((label, i) => {
    if (argmax(row(scores, i)) === label) correct++;
  });
  return correct / labels.length;
}
