import type { Engine } from '../engine/types.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { Task } from '../methods/task.ts';
import { type Affinities, alphaIntervals, type BetaRange, countAt } from './alpha-intervals.ts';
import { prepareClassSums, textLogits, tuningRowsOfSplit } from './cache-search.ts';
import { fitWeightsInTurns } from './scale.ts';
import type { CacheChoice } from './tune.ts';

/** Upper ends of the published grid for a data set. */
export interface PaperGrid {
  readonly betaScale: number;
  readonly alphaScale: number;
}

/** `search_scale` of the published configurations, [beta, alpha]. */
const SCALES: Readonly<Record<string, readonly [number, number]>> = {
  imagenet: [7, 3],
  caltech101: [12, 5],
  dtd: [13, 13],
  eurosat: [12, 10],
  fgvc: [30, 30],
  food101: [10, 10],
  flowers: [50, 50],
  pets: [7, 3],
  cars: [20, 10],
  sun397: [12, 10],
  ucf101: [7, 3],
};

/** The published grid of a data set, ImageNet's where the name is another. */
export function paperGrid(dataset = 'imagenet'): PaperGrid {
  const [betaScale, alphaScale] = SCALES[dataset] ?? SCALES.imagenet!;
  return { betaScale, alphaScale };
}

/**
 * Chooses alpha and beta as the published code does: by accuracy on the rows that are then reported, [q, d]. Optimistic by
 * design, and marked as protocol `paper` wherever its numbers appear. The temperature is fitted to the same rows.
 */
export async function tuneAsPublished(
  engine: Engine,
  task: Task,
  reported: { features: Matrix; labels: Int32Array },
  grid: PaperGrid,
): Promise<CacheChoice> {
  const tuningRows = tuningRowsOfSplit(task.support, reported.features, reported.labels);
  const zeroShot = await textLogits(engine, task, tuningRows);
  const sums = await prepareClassSums(engine, task, tuningRows);
  try {
    const { alpha, beta } = paperSearch(zeroShot, sums.affinities, reported.labels, grid);
    const chosen = await sums.at(beta);
    const scores = zeroShot ? addScaled(zeroShot, alpha, chosen) : chosen;
    const { b, nll } = await fitWeightsInTurns(undefined, scores, reported.labels, { signal: task.signal });
    return {
      alpha,
      beta,
      temperature: 1 / b,
      nll,
      protocol: 'paper',
      judges: reported.labels.length,
      folds: 0,
      surface: [],
    };
  } finally {
    await sums.close();
  }
}

/**
 * The published search: 200 betas by 20 alphas from .1 upwards, beta outside, and a later point must be strictly better to win.
 * Unlike it, alpha = 0 is tried too. Without text, alpha is 1 and only beta is searched.
 */
export function paperSearch(
  zeroShot: Matrix | undefined,
  affinities: Affinities,
  labels: Int32Array,
  { betaScale, alphaScale }: PaperGrid,
): { alpha: number; beta: number; correct: number } {
  const alphas = zeroShot ? Array.from({ length: 20 }, (_, j) => 0.1 + (j * (alphaScale - 0.1)) / 20) : [1];
  const { betas, accuracy } = searchSurface(zeroShot, affinities, labels, {
    alphas: zeroShot ? [0, ...alphas] : alphas,
    betas: { first: 0.1, step: (betaScale - 0.1) / 200, count: 200 },
  });
  const counts = accuracy.map((row) => row.map((share) => Math.round(share * labels.length)));
  let best = { alpha: 0, beta: betas[0]!, correct: zeroShot ? counts[0]![0]! : -1 };
  counts.forEach((own, i) => {
    (zeroShot ? own.slice(1) : own).forEach((correct, j) => {
      if (correct > best.correct) best = { alpha: alphas[j]!, beta: betas[i]!, correct };
    });
  });
  return best;
}

/** Accuracy over a grid of alphas and betas, for a plot, [betas][alphas]. */
export interface SearchSurface {
  readonly alphas: readonly number[];
  readonly betas: readonly number[];
  readonly accuracy: readonly (readonly number[])[];
}

/** How many tuning rows are right at each alpha and beta, as a share; without text the logits are the cache's alone. */
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

function addScaled(z: Matrix, alpha: number, s: Matrix): Matrix {
  return { ...z, data: z.data.map((x, i) => x + alpha * s.data[i]!) };
}
