import type { Engine } from '../engine/types.ts';
import { type Matrix, weightedSum } from '../math/matrix.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import type { Task } from '../methods/task.ts';
import {
  prepareClassSums,
  type TuningRows,
  textLogits,
  tuningRowsOfFolds,
  tuningRowsOfSplit,
} from './cache-search.ts';
import { goldenSearch } from './golden-search.ts';
import { fitWeightsInTurns, largestRatio, type Weights } from './scale.ts';
import { shareCorrect } from './share-correct.ts';

/** How the constants of a method were chosen. Every result states it. */
export type Protocol =
  /** By leave-one-shot-out on the support set alone. */
  | 'folds'
  /** On examples that were left out of a summary first. */
  | 'left-out'
  /** On a validation split. */
  | 'val'
  /** Given values, or the encoder's constants. */
  | 'fixed'
  /** On the evaluated rows, as the published code does. It is optimistic and serves comparison only. */
  | 'paper';

/** Chosen constants of a cache method. */
export interface CacheChoice {
  readonly alpha: number;
  readonly beta: number;
  /** Divisor that makes scores calibrated log-odds; 1 if it could not be fitted. */
  readonly temperature: number;
  /** Mean negative log-likelihood on the tuning rows. */
  readonly nll: number;
  /** Share of the tuning rows that are correct. */
  readonly accuracy: number;
  readonly protocol: Protocol;
  /** Number of tuning rows and of folds (0 if they are not folds). */
  readonly judges: number;
  readonly folds: number;
  /** The best alpha at each beta of the search. */
  readonly surface: readonly SurfacePoint[];
}

/** Mean negative log-likelihood (nats) of the tuning rows at one alpha and beta. */
export interface SurfacePoint {
  readonly alpha: number;
  readonly beta: number;
  readonly nll: number;
}

/** The range of the search for alpha and beta. */
export interface SearchRange {
  readonly minBeta: number;
  readonly maxBeta: number;
  /** Constants that are given and therefore not searched. */
  readonly given?: { readonly alpha?: number; readonly beta?: number };
}

/** Chooses alpha, beta and temperature by leave-one-shot-out. Undefined if no class has two groups of examples. */
export async function tuneByFolds(
  engine: Engine,
  task: Task,
  range: SearchRange,
): Promise<CacheChoice | undefined> {
  const folds = leaveOneShotOut(task.support, mostFolds(task));
  if (folds.count < 2) return undefined;
  const tuningRows = tuningRowsOfFolds(task.support, folds);
  return searchCache(engine, task, tuningRows, range, { protocol: 'folds', folds: folds.count });
}

/** Chooses alpha, beta and temperature on a validation split: features [q, d] as the encoder gives them. */
export async function tuneByValidation(
  engine: Engine,
  task: Task,
  validation: { features: Matrix; labels: Int32Array },
  range: SearchRange,
): Promise<CacheChoice> {
  const tuningRows = tuningRowsOfSplit(task.support, validation.features, validation.labels);
  return searchCache(engine, task, tuningRows, range, { protocol: 'val', folds: 0 });
}

/** A larger number of rows does not change the choice, and takes longer. */
const ENOUGH_ROWS = 4000;

function mostFolds({ support }: Task): number {
  const perClass = support.labels.length / new Set(support.labels).size;
  return Math.max(4, Math.ceil((ENOUGH_ROWS / support.labels.length) * perClass));
}

/**
 * Minimises the negative log-likelihood of the tuning rows. For each beta, the weights of text and cache are found exactly (a convex
 * problem, `fitWeights`). beta is searched on a coarse geometric grid and refined by golden sections. alpha = 0 is possible. A constant
 * that is given is fixed.
 */
async function searchCache(
  engine: Engine,
  task: Task,
  tuningRows: TuningRows,
  { minBeta, maxBeta, given = {} }: SearchRange,
  how: { protocol: Protocol; folds: number },
): Promise<CacheChoice> {
  const { signal } = task;
  const zeroShot = await textLogits(engine, task, tuningRows);
  const sums = await prepareClassSums(engine, task, tuningRows);
  const seen: { beta: number; weights: Weights }[] = [];
  const nllAt = async (beta: number): Promise<number> => {
    const nearest = seen.toSorted((x, y) => Math.abs(x.beta - beta) - Math.abs(y.beta - beta))[0];
    const votes = await sums.at(beta);
    const weights =
      zeroShot && given.alpha !== undefined
        ? await atAlpha(zeroShot, votes, given.alpha, tuningRows.labels, signal)
        : await fitWeightsInTurns(zeroShot, votes, tuningRows.labels, {
            maxRatio: zeroShot && largestRatio(zeroShot, votes),
            start: nearest?.weights,
            signal,
          });
    seen.push({ beta, weights });
    return weights.nll;
  };
  try {
    if (given.beta === undefined) {
      await goldenSearch((logBeta) => nllAt(Math.exp(logBeta)), Math.log(minBeta), Math.log(maxBeta));
    } else await nllAt(given.beta);
    const best = seen.reduce((x, y) => (y.weights.nll < x.weights.nll ? y : x));
    const alphaOf = ({ a, b }: Weights) => (zeroShot ? (given.alpha ?? b / a) : 1);
    const votes = await sums.at(best.beta);
    const scores = zeroShot ? weightedSum(1, zeroShot, alphaOf(best.weights), votes) : votes;
    return {
      alpha: alphaOf(best.weights),
      beta: best.beta,
      temperature: 1 / (zeroShot ? best.weights.a : best.weights.b),
      nll: best.weights.nll,
      accuracy: shareCorrect(scores, tuningRows.labels),
      judges: tuningRows.labels.length,
      ...how,
      surface: seen
        .map(({ beta, weights }) => ({ alpha: alphaOf(weights), beta, nll: weights.nll }))
        .sort((x, y) => x.beta - y.beta),
    };
  } finally {
    await sums.close();
  }
}

/** The weights of text and cache for a given alpha. Only the temperature is fitted. */
async function atAlpha(
  zeroShot: Matrix,
  votes: Matrix,
  alpha: number,
  labels: Int32Array,
  signal?: AbortSignal,
): Promise<Weights> {
  const scores = weightedSum(1, zeroShot, alpha, votes);
  const { b, nll } = await fitWeightsInTurns(undefined, scores, labels, { signal });
  return { a: b, b: alpha * b, nll };
}
