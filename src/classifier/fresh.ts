import type { Matrix } from '../math/matrix.ts';
import { UNTUNED } from '../tuning/search-method.ts';
import { version } from '../version.ts';
import type { FitValues } from './fit.ts';
import { measureKeys } from './key-store.ts';
import { type FitWatch, fitMethod } from './refit.ts';
import type { Rows } from './tune.ts';
import type { ClassifierData } from './types.ts';

/** What is known of a classifier before a method is chosen. */
export type Known = Pick<
  ClassifierData,
  'classes' | 'templates' | 'encoder' | 'head' | 'support' | 'examples' | 'dataset'
> &
  Partial<Pick<ClassifierData, 'reject' | 'exif' | 'views' | 'shots' | 'seed'>>;

/** The data of a classifier that has learnt nothing yet, made now. */
export function freshData(known: Known): ClassifierData {
  return {
    reject: 0,
    exif: true,
    views: 1,
    seed: 1,
    ...known,
    method: 'tip-adapter',
    options: {},
    state: {},
    tuning: UNTUNED,
    created: new Date().toISOString(),
    createdBy: `tip-adapter ${version}`,
    version: 1,
  };
}

/** The same, fitted as the person wants; `exact` are the examples' features before they were rounded. */
export async function fitFresh(
  known: Known,
  values: FitValues & { options?: Readonly<Record<string, unknown>> },
  encoder: Parameters<typeof fitMethod>[1],
  { exact, validation }: { exact: Matrix; validation?: Rows },
  watch: FitWatch,
): Promise<ClassifierData> {
  const { reject, exif, views, shots, seed } = values;
  const data = freshData({ ...known, reject, exif, views, shots, seed });
  const fitted = await fitMethod(data, encoder, values, { validation }, watch);
  return values.keys === 'int8'
    ? { ...fitted, keys: await measureKeys(fitted, exact, watch.signal) }
    : fitted;
}
