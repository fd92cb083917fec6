import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, systemCode, TipAdapterError } from '../errors.ts';
import { unlessMissing } from '../store/regular.ts';
import { systemError } from '../system-error.ts';
import { count, number } from '../words.ts';
import { isFeatureDump, readFeatureDump } from './feature-dump.ts';
import { KNOWN, type KnownDataset, knownDataset } from './known.ts';
import { readDataset } from './read.ts';
import type { Dataset, Split } from './types.ts';

/** Which parts of a public data set are on this machine, and where to get the missing ones. */
export interface KnownState {
  readonly id: string;
  readonly title: string;
  /** Path of its folder, or the path where the folder should be. */
  readonly path: string;
  /** `features` is a dump in place of the pictures; `partial` lacks something; `absent` has no folder. */
  readonly state: 'complete' | 'features' | 'partial' | 'absent';
  readonly classes?: number;
  /** Pictures, or rows, of each split. */
  readonly splits: Readonly<Partial<Record<Split, number>>>;
  /** One sentence for each part that is missing or differs from the publication. */
  readonly problems: readonly string[];
  readonly get: readonly { readonly path: string; readonly from: string }[];
}

/**
 * Looks for public data sets in a folder laid out as CoOp's `$DATA`. Pictures are listed, not opened. Throws `DataError` if
 * the folder does not exist.
 */
export async function checkKnown(
  root: string,
  { ids, signal }: { ids?: readonly string[]; signal?: AbortSignal } = {},
): Promise<KnownState[]> {
  const folders = await readdir(root).catch((cause) => {
    if (systemCode(cause) !== 'ENOENT') throw systemError(cause, { path: root }) ?? cause;
    throw new DataError(`There is no folder ${root}`, { code: 'dataset/missing', cause });
  });
  const wanted = ids ? KNOWN.filter(({ id }) => ids.includes(id)) : KNOWN;
  const states = [];
  for (const known of wanted) {
    const folder = folders.find((name) => knownDataset(name) === known);
    states.push(await checkOne(known, root, folder, signal));
  }
  return states;
}

async function checkOne(
  known: KnownDataset,
  root: string,
  folder: string | undefined,
  signal?: AbortSignal,
): Promise<KnownState> {
  const { id, title } = known;
  const path = join(root, folder ?? known.folder);
  const base = { id, title, path, splits: {}, problems: [], get: [] };
  const places = known.parts.map((part) => ({ ...part, path: join(path, part.path) }));
  if (folder === undefined) return { ...base, state: 'absent', get: places };
  if (await isFeatureDump(path)) return { ...base, ...(await checkDump(path)) };
  try {
    const there = await Promise.all(places.map((place) => stat(place.path).catch(unlessMissing)));
    const get = places.filter((_, i) => !there[i]);
    const problems = get.map((place) => `${place.path} is missing`);
    if (problems.length > 0) return { ...base, state: 'partial', problems, get };
    const dataset = await readDataset(path, { signal });
    const found = compare(known, dataset);
    return { ...base, ...found, state: found.problems.length > 0 ? 'partial' : 'complete' };
  } catch (error) {
    const named = systemError(error) ?? error;
    if (!(named instanceof TipAdapterError) || signal?.aborted) throw error;
    return { ...base, state: 'partial', problems: [named.message] };
  }
}

async function checkDump(
  path: string,
): Promise<Pick<KnownState, 'state' | 'classes' | 'splits' | 'problems'>> {
  try {
    const { classes, draws, val, test, findings } = await readFeatureDump(path, { examples: false });
    const largest = Math.max(0, ...draws.keys());
    const splits = {
      train: draws.get(largest)?.labels.length ?? 0,
      val: val?.labels.length ?? 0,
      test: test?.labels.length ?? 0,
    };
    return { state: 'features', classes: classes.length, splits, problems: findings };
  } catch (error) {
    if (!(error instanceof TipAdapterError)) throw error;
    return { state: 'partial', splits: {}, problems: [error.message] };
  }
}

function compare(known: KnownDataset, { classes, examples, findings }: Dataset) {
  const splits: Partial<Record<Split, number>> = {};
  for (const { split } of examples) if (split) splits[split] = (splits[split] ?? 0) + 1;
  const problems = [
    ...(classes.length === known.classes
      ? []
      : [`${count(classes.length, 'class', 'classes')} instead of the published ${number(known.classes)}`]),
    ...(['train', 'val', 'test'] as const).flatMap((split) => {
      const [found, published] = [splits[split] ?? 0, known[split] ?? 0];
      return found === published
        ? []
        : [`${count(found, `${split} picture`)} instead of the published ${number(published)}`];
    }),
    ...findings.flatMap(({ level, message }) => (level === 'warning' ? [message] : [])),
  ];
  return { classes: classes.length, splits, problems };
}
