import { giveWay } from '../abort.ts';
import { taskOf } from '../classifier/classifier-task.ts';
import type { ClassifierData } from '../classifier/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import { prepareClassSums, textLogits, tuningRowsOfFolds } from '../tuning/cache-search.ts';
import { searchSurface } from '../tuning/paper.ts';
import { ALPHA, BETA, valueAt } from './scales.ts';
import type { SearchMap } from './status.ts';

/** Number of points on each scale. */
const POINTS = 25;

/** Largest number of rows: more would change the map only slightly. */
const MOST_ROWS = 600;
const MOST_FOLDS = 4;

/**
 * The accuracy of Tip-Adapter on a classifier's left-out examples at each alpha and beta. Undefined if no example can be left out.
 */
export async function searchMap(data: ClassifierData, signal?: AbortSignal): Promise<SearchMap | undefined> {
  const task = taskOf(data, signal);
  const folds = leaveOneShotOut(task.support, MOST_FOLDS);
  if (folds.count < 2) return undefined;
  const every = Math.ceil(folds.query.length / MOST_ROWS);
  const query = folds.query.map((fold, i) => (i % every === 0 ? fold : -1));
  const tuningRows = tuningRowsOfFolds(task.support, { ...folds, query });
  const zeroShot = await textLogits(sharedEngine(), task, tuningRows);
  const { affinities, close } = await prepareClassSums(sharedEngine(), task, tuningRows);
  await close();
  const [alphas, betas] = [pointsOf(ALPHA), pointsOf(BETA)];
  const recognised: (readonly number[])[] = [];
  for (const beta of betas) {
    const betas = { first: beta, step: 0, count: 1 };
    const { accuracy } = searchSurface(zeroShot, affinities, tuningRows.labels, { alphas, betas });
    recognised.push(...accuracy);
    // Lets requests about pictures run meanwhile.
    await giveWay(signal);
  }
  return { alphas, betas, recognised };
}

const pointsOf = (scale: readonly [number, number]) =>
  Array.from({ length: POINTS }, (_, i) => valueAt(i / (POINTS - 1), scale));
