import type { Engine } from '../engine/types.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Task } from '../methods/task.ts';
import { foldJudges, type Judges, judgeClassSums, judgeZeroShot, splitJudges } from './cache-search.ts';
import { leaveOneShotOut } from './folds.ts';
import { goldenSearch } from './golden-search.ts';
import { fitWeightsInTurns, type Weights } from './scale.ts';

/** How the numbers of a method were chosen; every result says which. */
export type Protocol =
  /** By leave-one-shot-out on the support set: nothing else is looked at. */
  | 'folds'
  /** On a validation split. */
  | 'val'
  /** Given, or the encoder's constants. */
  | 'fixed'
  /** On the evaluated rows themselves, as the published code does: optimistic, for comparison only. */
  | 'paper';

/** Chosen constants of a cache method. */
export interface CacheChoice {
  readonly alpha: number;
  readonly beta: number;
  /** Scores divided by it are calibrated log-odds; 1 where nothing could be fitted. */
  readonly temperature: number;
  /** Mean negative log-likelihood of the judges, where there were any. */
  readonly nll?: number;
  readonly protocol: Protocol;
  /** Rows that judged, and folds they came from (0: not folds). */
  readonly judges: number;
  readonly folds: number;
  /** The best alpha at each beta looked at: the search surface's ridge. */
  readonly surface: readonly SurfacePoint[];
}

/** Mean negative log-likelihood (nats) of the judges at one pair of constants. */
export interface SurfacePoint {
  readonly alpha: number;
  readonly beta: number;
  readonly nll: number;
}

/** Where alpha and beta are searched. */
export interface SearchRange {
  readonly minBeta: number;
  readonly maxBeta: number;
  readonly maxAlpha: number;
  /** Constants that are given, and not searched. */
  readonly given?: { readonly alpha?: number; readonly beta?: number };
}

/** Chooses alpha, beta and temperature by leave-one-shot-out; undefined where no class has two groups of examples. */
export async function tuneByFolds(
  engine: Engine,
  task: Task,
  range: SearchRange,
  signal?: AbortSignal,
): Promise<CacheChoice | undefined> {
  const folds = leaveOneShotOut(task.support, mostFolds(task));
  if (folds.count < 2) return undefined;
  const judges = foldJudges(task.support, folds);
  return searchCache(engine, task, judges, range, { protocol: 'folds', folds: folds.count }, signal);
}

/** Chooses alpha, beta and temperature on a validation split: features [q, d] as the encoder gives them. */
export async function tuneByValidation(
  engine: Engine,
  task: Task,
  validation: { features: Matrix; labels: Int32Array },
  range: SearchRange,
  signal?: AbortSignal,
): Promise<CacheChoice> {
  const judges = splitJudges(task.support, validation.features, validation.labels);
  return searchCache(engine, task, judges, range, { protocol: 'val', folds: 0 }, signal);
}

/** More judges than this do not change the choice, only its price. */
const ENOUGH_JUDGES = 4000;

function mostFolds({ support }: Task): number {
  const perClass = support.labels.length / new Set(support.labels).size;
  return Math.max(4, Math.ceil((ENOUGH_JUDGES / support.labels.length) * perClass));
}

/**
 * Minimises the judges' negative log-likelihood: for each beta the weights of text and cache are found exactly (a convex
 * problem, `fitWeights`), and beta by a coarse geometric grid refined by golden sections. alpha = 0 is within reach. A constant that is
 * given is held.
 */
async function searchCache(
  engine: Engine,
  task: Task,
  judges: Judges,
  { minBeta, maxBeta, maxAlpha, given = {} }: SearchRange,
  how: { protocol: Protocol; folds: number },
  signal?: AbortSignal,
): Promise<CacheChoice> {
  const zeroShot = await judgeZeroShot(engine, task, judges);
  const sums = await judgeClassSums(engine, task, judges, signal);
  const seen: { beta: number; weights: Weights }[] = [];
  const judge = async (beta: number): Promise<number> => {
    const nearest = seen.toSorted((x, y) => Math.abs(x.beta - beta) - Math.abs(y.beta - beta))[0];
    const votes = await sums.at(beta);
    const weights =
      zeroShot && given.alpha !== undefined
        ? await atAlpha(zeroShot, votes, given.alpha, judges.labels, signal)
        : await fitWeightsInTurns(zeroShot, votes, judges.labels, {
            maxRatio: maxAlpha,
            start: nearest?.weights,
            signal,
          });
    seen.push({ beta, weights });
    return weights.nll;
  };
  try {
    if (given.beta === undefined) {
      await goldenSearch((logBeta) => judge(Math.exp(logBeta)), Math.log(minBeta), Math.log(maxBeta));
    } else await judge(given.beta);
  } finally {
    await sums.close();
  }
  const best = seen.reduce((x, y) => (y.weights.nll < x.weights.nll ? y : x));
  const alphaOf = ({ a, b }: Weights) => (zeroShot ? (given.alpha ?? b / a) : 1);
  return {
    alpha: alphaOf(best.weights),
    beta: best.beta,
    temperature: 1 / (zeroShot ? best.weights.a : best.weights.b),
    nll: best.weights.nll,
    judges: judges.labels.length,
    ...how,
    surface: seen
      .map(({ beta, weights }) => ({ alpha: alphaOf(weights), beta, nll: weights.nll }))
      .sort((x, y) => x.beta - y.beta),
  };
}

/** The weights of text and cache whose ratio is given: one temperature. */
async function atAlpha(
  zeroShot: Matrix,
  votes: Matrix,
  alpha: number,
  labels: Int32Array,
  signal?: AbortSignal,
): Promise<Weights> {
  const scores = { ...votes, data: zeroShot.data.map((z, i) => z + alpha * votes.data[i]) };
  const { b, nll } = await fitWeightsInTurns(undefined, scores, labels, { signal });
  return { a: b, b: alpha * b, nll };
}
