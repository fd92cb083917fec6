import type { Engine } from '../engine/types.ts';
import { type Matrix, weightedSum } from '../math/matrix.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import type { Method } from '../methods/method.ts';
import type { Task } from '../methods/task.ts';
import { checkValue, resolveOptions } from '../options.ts';
import { type TuningRows, tuningRowsOfFolds, tuningRowsOfSplit } from './cache-search.ts';
import { termsOutOfFold } from './out-of-fold.ts';
import { fitWeightsInTurns, largestRatio } from './scale.ts';
import { shareCorrect } from './share-correct.ts';
import type { Protocol } from './tune.ts';

/** How the constants of a classifier were chosen. */
export interface Choice {
  /** Divisor that makes scores calibrated log-odds; 1 if it could not be fitted. */
  readonly temperature: number;
  /** Mean negative log-likelihood of the tuning rows, if there are any. */
  readonly nll?: number;
  /** How the constants were chosen. */
  readonly protocol: Protocol;
  /**
   * Number of tuning rows, under the name of the file format, and number of folds (0 if they are not folds). Without tuning rows there is
   * no temperature.
   */
  readonly judges: number;
  readonly folds: number;
  /** Number of classes that the tuning rows are of. Files of earlier versions do not have it. */
  readonly judgedClasses?: number;
  /** Number of pictures that the encoder was fine-tuned on among those that the tuning rows are taken from, if there are any: scores are too good. */
  readonly fineTuned?: number;
  /**
   * Names of the options that were tuned, that the person gave, and that a rule of the method took from the examples without tuning rows. The
   * others have their defaults.
   */
  readonly tuned?: readonly string[];
  readonly given?: readonly string[];
  readonly fromExamples?: readonly string[];
  /** The candidates: values of the options, and the `nll` with them. */
  readonly surface: readonly Readonly<Record<string, number>>[];
  /** The result of the chosen method on the tuning rows, then those of the methods that it was compared with. */
  readonly compared?: readonly Compared[];
}

/** The choice without tuning rows: default constants, and probabilities that are not calibrated. */
export const UNTUNED: Choice = { temperature: 1, protocol: 'fixed', judges: 0, folds: 0, surface: [] };

/** The result of a method on the tuning rows: mean negative log-likelihood in nats, and accuracy (0..1). */
export interface Compared {
  readonly method: string;
  readonly nll: number;
  /** Share of the tuning rows that are correct. */
  readonly accuracy: number;
}

/** The best options of a method, and its scores on the tuning rows with them. */
export interface Found {
  readonly options: Readonly<Record<string, unknown>>;
  readonly temperature: number;
  readonly nll: number;
  /** Options that were fitted on the tuning rows, beside the temperature. Each makes the likelihood look better than it is. */
  readonly tuned: readonly string[];
  /** [q, c]. */
  readonly scores: Matrix;
  readonly surface: Choice['surface'];
}

/** Tuning rows, and their origin. */
export interface TuningSet {
  readonly rows: TuningRows;
  readonly protocol: Protocol;
  readonly folds: number;
}

/** Largest number of folds. Each fold costs a fit of each candidate, and more than four change almost nothing. */
const MOST_FOLDS = 4;
/** The number of rows, and the least number of folds, that are enough. Further folds are not used. */
export interface Enough {
  readonly rows: number;
  readonly folds: number;
}
/** Enough to compare candidates. */
const TO_CHOOSE: Enough = { rows: 2500, folds: 2 };
/** Enough to find a single number, a temperature, if every fold costs a training. */
export const TO_TEMPER: Enough = { rows: 500, folds: 1 };

/** Leave-one-shot-out tuning rows. Undefined if no class has two groups of examples. */
export function tuningSetOfFolds({ support }: Task, enough = TO_CHOOSE): TuningSet | undefined {
  const folds = leaveOneShotOut(support, MOST_FOLDS);
  if (folds.count < 2) return undefined;
  const sizes = Array.from(
    { length: folds.count },
    (_, fold) => folds.query.filter((own) => own === fold).length,
  );
  let count = 0;
  let rows = 0;
  while (count < folds.count && (count < enough.folds || rows < enough.rows)) rows += sizes[count++]!;
  const query = folds.query.map((fold) => (fold < count ? fold : -1));
  return { rows: tuningRowsOfFolds(support, { ...folds, query }), protocol: 'folds', folds: count };
}

/**
 * The rows of a split as tuning rows, with features [q, d] as the encoder gives them. The split is the validation split or, for `paper`,
 * the reported rows.
 */
export function tuningSetOfSplit(
  { support }: Task,
  { features, labels }: { features: Matrix; labels: Int32Array },
  protocol: 'val' | 'paper' = 'val',
): TuningSet {
  return { rows: tuningRowsOfSplit(support, features, labels), protocol, folds: 0 };
}

/**
 * Chooses the options of a method by the mean negative log-likelihood of the tuning rows, among `wanted` or the method's own candidates.
 * All candidates are tried, because along a path of penalties the NLL may rise before it falls to its lowest value. Each candidate gets its
 * own temperature, so that the comparison is about its answers and not about its confidence. Options that are `given` are fixed. A single
 * candidate only gets a temperature. If the method names a `path`, the search may go on beyond its ends.
 */
export async function searchMethod(
  engine: Engine,
  method: Method,
  task: Task,
  { rows }: TuningSet,
  wanted?: readonly Readonly<Record<string, unknown>>[],
  given: Readonly<Record<string, unknown>> = {},
): Promise<Found> {
  const candidates = wanted ?? method.search?.(task, given) ?? [{}];
  const tuned = candidates.length > 1 ? Object.keys(candidates[0]!).filter((name) => !(name in given)) : [];
  // The weight of the examples' term is computed exactly, so it is not among the candidates.
  const weighs = tuned.includes('alpha');
  const fixed = { ...(weighs && { alpha: 1 }), ...given };
  const tried = distinct(candidates.map((candidate) => ({ ...candidate, ...fixed }))).map((values) =>
    resolveOptions(method.options, values),
  );
  // Without names, alpha has no effect, and only a temperature is fitted.
  const evaluate = weighs && task.head ? weighed : tempered;
  const found: Evaluated[] = [];
  for await (const terms of termsOutOfFold(engine, method, task, rows, tried)) {
    found.push(await evaluate(tried[found.length]!, terms, rows.labels, task.signal));
  }
  const { path = '' } = method;
  if (tuned.includes(path)) {
    const [first, second] = tried.map((values) => values[path] as number);
    const ratio = Math.max(first! / second!, second! / first!) ** 2;
    // The number of further steps is not known, so they report no progress.
    const silent = { ...task, onProgress: undefined };
    for (let next = beyond(found, path, ratio); next; next = beyond(found, path, ratio)) {
      if (!checkValue(method.options[path]!, next[path]).success) break;
      const values = resolveOptions(method.options, { ...next, ...fixed });
      for await (const terms of termsOutOfFold(engine, method, silent, rows, [values]))
        found.push(await evaluate(values, terms, rows.labels, task.signal));
    }
  }
  const surface = found.map(({ options: values, nll }) => {
    const numbers = Object.entries(values).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    );
    return { ...Object.fromEntries(numbers), nll };
  });
  return { ...bestOf(found), tuned, surface };
}

/** The distinct values, in order. */
function distinct<T extends object>(candidates: readonly T[]): T[] {
  return [...new Map(candidates.map((candidate) => [JSON.stringify(candidate), candidate])).values()];
}

/** Least gain in nats for which a path is followed beyond its end, and the largest number of candidates on it. */
const WORTHWHILE = 5e-3;
const LONGEST_PATH = 16;

/**
 * The options one step beyond the end of a path. Undefined if the best candidate is not an end, or if the last step to it gained little. The
 * ratio of a step is the square of that inside the path, because every candidate costs a fit of each fold.
 */
function beyond(found: readonly Evaluated[], path: string, ratio: number): Found['options'] | undefined {
  const placeOf = ({ options }: Evaluated) => options[path] as number;
  const points = found.toSorted((x, y) => placeOf(x) - placeOf(y));
  const best = bestOf(found);
  const at = points.indexOf(best);
  if (points.length >= LONGEST_PATH || (at > 0 && at < points.length - 1)) return undefined;
  const before = points[at === 0 ? 1 : at - 1];
  if (!before || before.nll - best.nll < WORTHWHILE) return undefined;
  return { ...best.options, [path]: at === 0 ? placeOf(best) / ratio : placeOf(best) * ratio };
}

function bestOf(found: readonly Evaluated[]): Evaluated {
  return found.reduce((x, y) => (y.nll < x.nll ? y : x));
}

type Terms = Readonly<Record<string, Matrix>>;
type Evaluated = Omit<Found, 'surface' | 'tuned'>;

/** The unchanged scores with their best temperature. */
async function tempered(
  options: Found['options'],
  terms: Terms,
  labels: Int32Array,
  signal?: AbortSignal,
): Promise<Evaluated> {
  const scores = Object.values(terms).reduce((total, term) => weightedSum(1, total, 1, term));
  const { b, nll } = await fitWeightsInTurns(undefined, scores, labels, { signal });
  return { options, temperature: 1 / b, nll, scores };
}

/** The weight and the temperature of the examples' term against the names' term, which are one convex problem. */
async function weighed(
  options: Found['options'],
  { text, ...rest }: Terms,
  labels: Int32Array,
  signal?: AbortSignal,
): Promise<Evaluated> {
  const [own] = Object.values(rest);
  const { a, b, nll } = await fitWeightsInTurns(text, own!, labels, {
    maxRatio: largestRatio(text!, own!),
    signal,
  });
  const alpha = b / a;
  return {
    options: { ...options, alpha },
    temperature: 1 / a,
    nll,
    scores: weightedSum(1, text!, alpha, own!),
  };
}

/** The result of a method by its scores of the tuning rows, whose classes are `labels`. */
export function comparedOf(
  { id }: Method,
  { scores, nll }: Pick<Found, 'scores' | 'nll'>,
  labels: Int32Array,
): Compared {
  return { method: id, nll, accuracy: shareCorrect(scores, labels) };
}
