import type { Engine } from '../engine/types.ts';
import { argmax, type Matrix, row } from '../math/matrix.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import type { Method } from '../methods/method.ts';
import type { Task } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { type TuningRows, tuningRowsOfFolds, tuningRowsOfSplit } from './cache-search.ts';
import { termsOutOfFold } from './out-of-fold.ts';
import { fitWeightsInTurns, largestRatio } from './scale.ts';
import type { Protocol } from './tune.ts';

/** How a classifier's numbers were chosen. */
export interface Choice {
  /** Scores divided by it are calibrated log-odds; 1 where nothing could be fitted. */
  readonly temperature: number;
  /** Mean negative log-likelihood of the tuning rows, where there are any. */
  readonly nll?: number;
  /** How the constants were chosen. */
  readonly protocol: Protocol;
  /** How many tuning rows there are, under the name of the file format, and of how many folds (0: not folds). Without any there is no temperature. */
  readonly judges: number;
  readonly folds: number;
  /** Names of the options that were tuned, and of those that the person gave; the others have their defaults. */
  readonly tuned?: readonly string[];
  readonly given?: readonly string[];
  /** What was looked at: the options' values and the `nll` they reached. */
  readonly surface: readonly Readonly<Record<string, number>>[];
  /** How methods did on the same tuning rows, the chosen one first. */
  readonly compared?: readonly Compared[];
}

/** Without tuning rows: constants as they are, and probabilities that are not calibrated. */
export const UNTUNED: Choice = { temperature: 1, protocol: 'fixed', judges: 0, folds: 0, surface: [] };

/** Whether probabilities were fitted to rows whose classes are known. */
export function isCalibrated({ judges }: Pick<Choice, 'judges'>): boolean {
  return judges > 0;
}

/** How a method did on the judges: mean negative log-likelihood in nats, and accuracy (0..1). */
export interface Compared {
  readonly method: string;
  readonly nll: number;
  /** Share of the tuning rows that were right. */
  readonly accuracy: number;
}

/** A method's best options, and what it then says about the tuning rows. */
export interface Found {
  readonly options: Readonly<Record<string, unknown>>;
  readonly temperature: number;
  readonly nll: number;
  /** Options that were fitted to the tuning rows, beside the temperature: what flatters the likelihood. */
  readonly tuned: readonly string[];
  /** [q, c]. */
  readonly scores: Matrix;
  readonly surface: Choice['surface'];
}

/** Tuning rows, and where they come from. */
export interface TuningSet {
  readonly rows: TuningRows;
  readonly protocol: Protocol;
  readonly folds: number;
}

/** Every further fold costs a fit of each candidate; four tell nearly all there is to know. */
const MOST_FOLDS = 4;
/** How many rows, of how many folds at least, are enough: folds beyond are left alone. */
export interface Enough {
  readonly rows: number;
  readonly folds: number;
}
/** To tell candidates apart. */
const TO_CHOOSE: Enough = { rows: 2500, folds: 2 };
/** To find one number, a temperature, where every fold costs a training. */
export const TO_TEMPER: Enough = { rows: 500, folds: 1 };

/** Leave-one-shot-out tuning rows; undefined where no class has two groups of examples. */
export function tuningSetOfFolds({ support }: Task, enough = TO_CHOOSE): TuningSet | undefined {
  const folds = leaveOneShotOut(support, MOST_FOLDS);
  if (folds.count < 2) return undefined;
  const sizes = Array.from(
    { length: folds.count },
    (_, fold) => folds.query.filter((own) => own === fold).length,
  );
  let [count, rows] = [0, 0];
  while (count < folds.count && (count < enough.folds || rows < enough.rows)) rows += sizes[count++]!;
  const query = folds.query.map((fold) => (fold < count ? fold : -1));
  return { rows: tuningRowsOfFolds(support, { ...folds, query }), protocol: 'folds', folds: count };
}

/** Rows of a split as tuning rows, features [q, d] as the encoder gives them: the validation split, or for `paper` the reported rows. */
export function tuningSetOfSplit(
  { support }: Task,
  { features, labels }: { features: Matrix; labels: Int32Array },
  protocol: 'val' | 'paper' = 'val',
): TuningSet {
  return { rows: tuningRowsOfSplit(support, features, labels), protocol, folds: 0 };
}

/**
 * Chooses a method's options, among those `wanted` or those it names itself, by the mean negative log-likelihood of the tuning rows. All
 * candidates are tried: along a path of a penalty the likelihood may rise before it falls to its lowest point. Each
 * candidate has a temperature of its own, so that it is compared by what it knows and not by how loudly it says so. Options that are
 * `given` are held. A single candidate is given its temperature.
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
  // The weight of the examples' term is not tried but found exactly.
  const weighs = tuned.includes('alpha');
  const tried = distinct(
    candidates.map((candidate) => ({ ...candidate, ...(weighs && { alpha: 1 }), ...given })),
  ).map((values) => resolveOptions(method.options, values));
  // Without names there is nothing that alpha weighs against: a temperature is all.
  const evaluate = weighs && task.head ? weighed : tempered;
  const found: Evaluated[] = [];
  for await (const terms of termsOutOfFold(engine, method, task, rows, tried)) {
    found.push(await evaluate(tried[found.length]!, terms, rows.labels, task.signal));
  }
  const surface = found.map(({ options: values, nll }) => {
    const numbers = Object.entries(values).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    );
    return { ...Object.fromEntries(numbers), nll };
  });
  return { ...bestOf(found), tuned, surface };
}

/** Values that differ, in order. */
function distinct<T extends object>(candidates: readonly T[]): T[] {
  return [...new Map(candidates.map((candidate) => [JSON.stringify(candidate), candidate])).values()];
}

function bestOf(found: readonly Evaluated[]): Evaluated {
  return found.reduce((x, y) => (y.nll < x.nll ? y : x));
}

type Terms = Readonly<Record<string, Matrix>>;
type Evaluated = Omit<Found, 'surface' | 'tuned'>;

/** The scores as they are, with the temperature that suits them. */
async function tempered(
  options: Found['options'],
  terms: Terms,
  labels: Int32Array,
  signal?: AbortSignal,
): Promise<Evaluated> {
  const scores = Object.values(terms).reduce((total, term) => combined(1, total, 1, term));
  const { b, nll } = await fitWeightsInTurns(undefined, scores, labels, { signal });
  return { options, temperature: 1 / b, nll, scores };
}

/** Weight and temperature of the examples' term against the names' together: a convex problem. */
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
  return { options: { ...options, alpha }, temperature: 1 / a, nll, scores: combined(1, text!, alpha, own!) };
}

/** a x + b y. */
function combined(a: number, x: Matrix, b: number, y: Matrix): Matrix {
  const data = x.data.map((value, i) => a * value + b * y.data[i]!);
  return { ...x, data };
}

/** Share of rows [q, c] whose own class has the largest score. */
export function shareCorrect(scores: Matrix, labels: Int32Array): number {
  let correct = 0;
  labels.forEach((label, i) => {
    if (argmax(row(scores, i)) === label) correct++;
  });
  return correct / labels.length;
}
