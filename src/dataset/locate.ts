import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DataError, systemCode } from '../errors.ts';
import { unlessMissing } from '../store/regular.ts';
import { isHubData } from '../store/store-address.ts';
import { marksCoopData } from './coop-splits.ts';
import { dumpName, isFeatureDump } from './feature-dump.ts';
import { hubDataName } from './hub-data.ts';
import { isIndexName } from './indexes.ts';
import { type KnownDataset, knownDataset } from './known.ts';
import { isHidden, isLeftover } from './leftovers.ts';
import { sortNaturally } from './names.ts';
import { isShardPattern } from './shards.ts';
import { splitNamed } from './splits.ts';
import { storedInfo } from './stored-info.ts';

/** A data set that was found: pictures, or a dump of features. */
export interface Located {
  readonly path: string;
  readonly kind: 'pictures' | 'features';
  readonly name: string;
  /** The public data set that has its name, if there is one. */
  readonly known?: KnownDataset;
}

/** Number of levels that are searched: `$DATA/<data set>`, or `<features>/<encoder>/<data set>`. */
const DEPTH = 2;

/**
 * The data sets at a path, in natural order: one data set (a folder, a table, a zip, a dump of features), or those in a folder of data
 * sets, such as CoOp's `$DATA`. An inner folder counts as a data set if it is a dump or holds a list of pictures. Throws `DataError` if
 * the path does not exist.
 */
export async function locateDatasets(path: string): Promise<Located[]> {
  if (isHubData(path)) return [located(path, 'pictures', hubDataName(path))];
  const found = await stat(path).catch(unlessMissing);
  if (!found && isShardPattern(path)) return [located(path, 'pictures', basename(path))];
  if (!found) {
    throw new DataError(`There is no file or folder ${path}`, { code: 'dataset/missing', details: { path } });
  }
  const unread: string[] = [];
  const inside = found.isDirectory() ? await locateInside(path, DEPTH, unread) : [];
  // An unreadable folder may be a data set: opening it reports the error.
  for (const folder of unread) inside.push(located(folder, 'pictures', basename(folder)));
  return inside.length > unread.length ? inside : [located(path, 'pictures', basename(resolve(path)))];
}

async function locateInside(path: string, depth: number, unread: string[]): Promise<Located[]> {
  const stored = await storedInfo(path);
  if (stored) return [located(path, 'pictures', stored.dataset)];
  if (await isFeatureDump(path)) return [located(path, 'features', await dumpName(path))];
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    // A link may lead to a file.
    if (systemCode(error) !== 'ENOTDIR') unread.push(path);
    return [];
  });
  if (entries.some(({ name }) => marksCoopData(name) || isIndexName(name)))
    return [located(path, 'pictures', basename(resolve(path)))];
  if (depth === 0) return [];
  const folders = entries.filter(
    (entry) =>
      (entry.isDirectory() || entry.isSymbolicLink()) &&
      !isHidden(entry.name) &&
      !isLeftover(entry.name) &&
      !splitNamed(entry.name),
  );
  const all: Located[] = [];
  for (const { name } of sortNaturally(folders, (entry) => entry.name))
    all.push(...(await locateInside(join(path, name), depth - 1, unread)));
  return all;
}

function located(path: string, kind: Located['kind'], name: string): Located {
  const known = knownDataset(name);
  return { path, kind, name, ...(known && { known }) };
}
