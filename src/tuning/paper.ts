import type { Engine } from '../engine/types.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Task } from '../methods/task.ts';
import { type ClassSumsAt, judgeClassSums, judgeZeroShot, splitJudges } from './cache-search.ts';
import { fitWeights } from './scale.ts';
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
  const [betaScale, alphaScale] = SCALES[dataset] ?? SCALES.imagenet;
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
  const judges = splitJudges(task.support, reported.features, reported.labels);
  const zeroShot = await judgeZeroShot(engine, task, judges);
  const sums = await judgeClassSums(engine, task, judges, task.signal);
  try {
    const { alpha, beta } = await paperSearch(zeroShot, sums.at, reported.labels, grid);
    const chosen = await sums.at(beta);
    const scores = zeroShot ? addScaled(zeroShot, alpha, chosen) : chosen;
    const { b, nll } = fitWeights(undefined, scores, reported.labels);
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
export async function paperSearch(
  zeroShot: Matrix | undefined,
  classSumsAt: ClassSumsAt,
  labels: Int32Array,
  { betaScale, alphaScale }: PaperGrid,
): Promise<{ alpha: number; beta: number; correct: number }> {
  const alphas = zeroShot ? Array.from({ length: 20 }, (_, j) => 0.1 + (j * (alphaScale - 0.1)) / 20) : [1];
  let best = { alpha: 0, beta: 0.1, correct: zeroShot ? countCorrect(zeroShot, zeroShot, 0, labels) : -1 };
  for (let i = 0; i < 200; i++) {
    const beta = 0.1 + (i * (betaScale - 0.1)) / 200;
    const sums = await classSumsAt(beta);
    for (const alpha of alphas) {
      const correct = countCorrect(zeroShot, sums, alpha, labels);
      if (correct > best.correct) best = { alpha, beta, correct };
    }
  }
  return best;
}

/** Rows whose largest z + alpha s is their class's; the lowest class wins a tie. */
function countCorrect(z: Matrix | undefined, s: Matrix, alpha: number, labels: Int32Array): number {
  let correct = 0;
  for (let i = 0; i < labels.length; i++) {
    const start = i * s.cols;
    let best = 0;
    let top = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < s.cols; j++) {
      const score = (z ? z.data[start + j] : 0) + alpha * s.data[start + j];
      if (score > top) {
        top = score;
        best = j;
      }
    }
    if (best === labels[i]) correct++;
  }
  return correct;
}

function addScaled(z: Matrix, alpha: number, s: Matrix): Matrix {
  return { ...z, data: z.data.map((x, i) => x + alpha * s.data[i]) };
}
