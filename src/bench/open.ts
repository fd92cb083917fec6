import { type Located, locateDatasets } from '../dataset/locate.ts';
import { DataError, ModelError, type TipAdapterError } from '../errors.ts';
import type { BenchSource, OpenOptions } from './bench-source.ts';
import { openFeatures } from './feature-source.ts';

export interface OpenSourcesOptions extends Omit<OpenOptions, 'encoder' | 'testOnly' | 'onProgress'> {
  /** Chooses the data sets to use from those that were found, and names the missing ones. */
  pick(located: readonly Located[]): { picked: readonly Located[]; missing: readonly string[] };
  /** Ids of public data sets that need no examples. */
  readonly testOnly: readonly string[];
  /** Encoders for pictures. Each encodes all pictures. */
  readonly encoders: readonly string[];
  onProgress?(progress: { done: number; total: number; now: string }): void;
}

/** Opens a folder of features, or encodes pictures. Throws `DataError` if there is nothing to test on. */
export async function openSource(located: Located, options: OpenOptions): Promise<BenchSource> {
  if (located.kind === 'features') return openFeatures(located, options);
  const { openPictures } = await import('./picture-source.ts');
  return openPictures(located, options);
}

/** Errors of data sets without examples or test rows. Such a data set is not damaged, but cannot be used in this benchmark. */
const UNSUITED = ['bench/no-test', 'dump/no-support'];

/**
 * Opens one source for each data set at some paths and each encoder. If one of several cannot be used, `missing` names it and the others
 * are used. If there is only one, its error is thrown. `failed` counts the damaged ones.
 */
export async function openSources(
  paths: readonly string[],
  { pick, testOnly, encoders, onProgress, ...options }: OpenSourcesOptions,
): Promise<{ sources: readonly BenchSource[]; missing: readonly string[]; failed: number }> {
  const located = (await Promise.all(paths.map(locateDatasets))).flat();
  const { picked, missing } = pick(located);
  const sources: BenchSource[] = [];
  const lacking = [...missing];
  const failures: TipAdapterError[] = [];
  let failed = 0;
  for (const one of picked) {
    for (const encoder of one.kind === 'features' ? ['-'] : encoders) {
      const now = one.kind === 'features' ? one.name : `${one.name} ${encoder}`;
      const isTest = one.known !== undefined && testOnly.includes(one.known.id);
      try {
        const source = await openSource(one, {
          ...options,
          encoder,
          testOnly: isTest,
          onProgress: (progress) => onProgress?.({ ...progress, now }),
        });
        const told = options.onRead ? source.readNotes : undefined;
        for (const note of source.notes) if (!told?.includes(note)) options.note?.(`${source.name}: ${note}`);
        sources.push(source);
      } catch (error) {
        if (!(error instanceof DataError || error instanceof ModelError)) throw error;
        failures.push(error);
        if (!UNSUITED.includes(error.code)) failed++;
        lacking.push(`${now}: ${error.message}`);
      }
    }
  }
  if (sources.length === 0 && failures.length > 0) throw failures[0];
  return { sources, missing: lacking, failed };
}
