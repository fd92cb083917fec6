import type { Engine } from '../engine/types.ts';
import { type Matrix, matrix, weightedSum } from '../math/matrix.ts';
import type { CacheTensors } from '../methods/cache.ts';
import type { Task } from '../methods/task.ts';
import { type Affinities, alphaIntervals, type BetaRange, countAt } from './alpha-intervals.ts';
import { prepareClassSums, textLogits, tuningRowsOfSplit } from './cache-search.ts';
import { fitWeightsInTurns } from './scale.ts';
import { shareCorrect } from './share-correct.ts';
import type { CacheChoice } from './tune.ts';

/** Upper ends of the published grid for a data set. */
export interface PaperGrid {
  readonly betaScale: number;
  readonly alphaScale: number;
}

/** The constants with which the published code trains keys before it searches. */
export interface PaperStart {
  readonly alpha: number;
  readonly beta: number;
  readonly epochs: number;
}

interface Published {
  /** `search_scale`, [beta, alpha]. */
  readonly scales: readonly [number, number];
  /** `init_alpha`; `init_beta` is 1 everywhere. */
  readonly alpha: number;
  /** `train_epoch`, if it is not 20. */
  readonly epochs?: number;
}

/** The published configurations (`configs` of the authors' repository). */
const PUBLISHED: Readonly<Record<string, Published>> = {
  imagenet: { scales: [7, 3], alpha: 1.17 },
  caltech101: { scales: [12, 5], alpha: 3 },
  dtd: { scales: [13, 13], alpha: 2 },
  eurosat: { scales: [12, 10], alpha: 2, epochs: 100 },
  fgvc: { scales: [30, 30], alpha: 5 },
  food101: { scales: [10, 10], alpha: 1.17 },
  flowers: { scales: [50, 50], alpha: 10 },
  pets: { scales: [7, 3], alpha: 1.17 },
  cars: { scales: [20, 10], alpha: 3 },
  sun397: { scales: [12, 10], alpha: 1.17 },
  ucf101: { scales: [7, 3], alpha: 3 },
};

function publishedFor(dataset = 'imagenet'): Published {
  return PUBLISHED[dataset] ?? PUBLISHED.imagenet!;
}

/** The published grid of a data set. Other data sets have ImageNet's. */
export function paperGrid(dataset?: string): PaperGrid {
  const [betaScale, alphaScale] = publishedFor(dataset).scales;
  return { betaScale, alphaScale };
}

/** The constants for training keys on a data set. Other data sets have ImageNet's. */
export function paperStart(dataset?: string): PaperStart {
  const { alpha, epochs = 20 } = publishedFor(dataset);
  return { alpha, beta: 1, epochs };
}

/** Rows with known classes, features [q, d]. */
export interface KnownRows {
  readonly features: Matrix;
  readonly labels: Int32Array;
}

/**
 * Chooses alpha and beta as the published code does: by accuracy, on the validation split or, for ImageNet, on the rows that are then
 * reported. This is optimistic, and its numbers are marked as protocol `paper`. The temperature is fitted on the rows of the search, [q,
 * d].
 */
export async function tuneAsPublished(
  engine: Engine,
  task: Task,
  searched: KnownRows,
  grid: PaperGrid,
): Promise<CacheChoice> {
  const rows = tuningRowsOfSplit(task.support, searched.features, searched.labels);
  const zeroShot = await textLogits(engine, task, rows);
  const sums = await prepareClassSums(engine, task, rows);
  try {
    const { alpha, beta } = paperSearch(zeroShot, sums.affinities, searched.labels, grid);
    const scores = addScaled(zeroShot, alpha, await sums.at(beta));
    const { b, nll } = await fitWeightsInTurns(undefined, scores, searched.labels, { signal: task.signal });
    return {
      alpha,
      beta,
      temperature: 1 / b,
      nll,
      accuracy: shareCorrect(scores, searched.labels),
      protocol: 'paper',
      judges: searched.labels.length,
      folds: 0,
      surface: [],
    };
  } finally {
    await sums.close();
  }
}

/**
 * The last step of the published training of keys: alpha and beta are searched with the trained keys, `cache`. Those found are used if they
 * classify at least as many of the reported rows correctly as the constants of the training. The published code prints the larger of the
 * two accuracies.
 */
export async function searchTrainedKeys(
  engine: Engine,
  task: Task,
  cache: CacheTensors,
  start: Pick<PaperStart, 'alpha' | 'beta'>,
  { searched, reported }: { searched: KnownRows; reported: KnownRows },
  grid: PaperGrid,
): Promise<{ alpha: number; beta: number }> {
  const rows = tuningRowsOfSplit(task.support, searched.features, searched.labels);
  const sums = await prepareClassSums(engine, task, rows, cache);
  const zeroShot = await textLogits(engine, task, rows);
  const found = paperSearch(zeroShot, sums.affinities, searched.labels, grid);
  await sums.close();
  const correct = async (constants: readonly Pick<PaperStart, 'alpha' | 'beta'>[]): Promise<number[]> => {
    const own = tuningRowsOfSplit(task.support, reported.features, reported.labels);
    const logits = await textLogits(engine, task, own);
    const votes = await prepareClassSums(engine, task, own, cache);
    try {
      const counts: number[] = [];
      for (const { alpha, beta } of constants) {
        const scores = addScaled(logits, alpha, await votes.at(beta));
        counts.push(Math.round(shareCorrect(scores, reported.labels) * reported.labels.length));
      }
      return counts;
    } finally {
      await votes.close();
    }
  };
  const [before, after] = await correct([start, found]);
  const { alpha, beta } = after! >= before! ? found : start;
  return { alpha, beta };
}

/**
 * The published search: 200 betas by 20 alphas from .1 upwards, with beta in the outer loop. A later point replaces an earlier one only if
 * it is strictly better. Without text, alpha is 1 and only beta is searched.
 */
export function paperSearch(
  zeroShot: Matrix | undefined,
  affinities: Affinities,
  labels: Int32Array,
  { betaScale, alphaScale }: PaperGrid,
): { alpha: number; beta: number; correct: number } {
  const alphas = zeroShot ? Array.from({ length: 20 }, (_, j) => 0.1 + (j * (alphaScale - 0.1)) / 20) : [1];
  const { betas, accuracy } = searchSurface(zeroShot, affinities, labels, {
    alphas,
    betas: { first: 0.1, step: (betaScale - 0.1) / 200, count: 200 },
  });
  let best = { alpha: alphas[0]!, beta: betas[0]!, correct: -1 };
  accuracy.forEach((own, i) => {
    own.forEach((share, j) => {
      const correct = Math.round(share * labels.length);
      if (correct > best.correct) best = { alpha: alphas[j]!, beta: betas[i]!, correct };
    });
  });
  return best;
}

/** Accuracies on a grid of alphas and betas, for a plot, [betas][alphas]. */
export interface SearchSurface {
  readonly alphas: readonly number[];
  readonly betas: readonly number[];
  readonly accuracy: readonly (readonly number[])[];
}

/** Share of the tuning rows that are correct at each alpha and beta. Without text, the logits are those of the cache alone. */
export function searchSurface(
  zeroShot: Matrix | undefined,
  affinities: Affinities,
  labels: Int32Array,
  { alphas, betas }: { alphas: readonly number[]; betas: BetaRange },
): SearchSurface {
  const classes = affinities.owner.reduce((most, c) => Math.max(most, c + 1), 0);
  const text = zeroShot ?? matrix(labels.length, classes);
  const intervals = alphaIntervals(text, affinities, labels, betas);
  const accuracy = Array.from(intervals.betas, (_, i) =>
    countAt(intervals, i, alphas).map((correct) => correct / labels.length),
  );
  return { alphas, betas: Array.from(intervals.betas), accuracy };
}

/** z + alpha s, or s alone without text. */
function addScaled(z: Matrix | undefined, alpha: number, s: Matrix): Matrix {
  return z ? weightedSum(1, z, alpha, s) : s;
}
