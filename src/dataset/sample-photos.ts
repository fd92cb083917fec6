import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelError } from '../errors.ts';
import { homeFolder } from '../store/home.ts';
import { fetchEntries, type HubEntry, hubAnswers, listHubFolder } from '../store/hub.ts';
import { withLock } from '../store/lock.ts';
import type { FetchOptions } from '../store/sources.ts';
import { groupBy } from './groups.ts';

/**
 * The sample photos: twenty kinds of snacks from Google's Open Images, resized to 256 pixels and published on the hub by M. Hollemans. The
 * commit is the last one with the photos as single files, so that a few of each class can be downloaded.
 */
export const PHOTOS = {
  repo: 'datasets/Matthijs/snacks',
  commit: 'eae3955ae510895cc2b8597bf72c34c8c2c233e9',
  licence: 'photos CC BY 2.0 (authors in its credits.csv), labels CC BY 4.0',
};

/** For each folder of the repository: its split, and the number of photos of each class that are taken, in the order of their names. */
const TAKEN = { val: { split: 'train', count: 4 }, test: { split: 'test', count: 10 } };

/** Milliseconds to wait for the hub's answer. */
const PATIENCE = 2_000;

const samplePath = () => join(homeFolder(), 'samples', 'snacks');

/** Whether the sample photos are on this machine, or the hub answers. */
export async function photosInReach(options: FetchOptions = {}): Promise<boolean> {
  return existsSync(samplePath()) || hubAnswers(PATIENCE, PHOTOS.repo, options);
}

/**
 * Returns the path of the sample photos, `{train,test}/<snack>/*.jpg`. The first call downloads them (280 files, about 5 MB); later calls
 * find them on disk. An interrupted download continues. Throws `ModelError` if the hub cannot be reached or sends other bytes than the
 * commit's.
 */
export async function samplePhotos(options: FetchOptions = {}): Promise<string> {
  const folder = samplePath();
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  return withLock(`${folder}.lock`, async () => (existsSync(folder) ? folder : fetchPhotos(folder, options)));
}

async function fetchPhotos(folder: string, options: FetchOptions): Promise<string> {
  const { repo, commit } = PHOTOS;
  const part = `${folder}.part`;
  const entries: HubEntry[] = [];
  for (const [source, { count }] of Object.entries(TAKEN))
    entries.push(...firstOfEach(await listHubFolder(repo, commit, source, options), source, count));
  await fetchEntries(repo, commit, part, entries, options);
  for (const [source, { split }] of Object.entries(TAKEN))
    if (source !== split) await rename(join(part, source), join(part, split));
  // The folder gets its name only when it is complete.
  await rename(part, folder);
  return folder;
}

function firstOfEach(listed: readonly HubEntry[], source: string, count: number): HubEntry[] {
  const classes = groupBy(listed, ({ path }) => dirname(path));
  const short = [...classes].filter(([, photos]) => photos.length < count).map(([path]) => path);
  if (classes.size < 2 || short.length > 0) {
    const what =
      short.length > 0 ? `fewer than ${count} photos in ${short.join(', ')}` : `no classes in ${source}`;
    throw new ModelError(`${PHOTOS.repo} at ${PHOTOS.commit} has ${what}`, { code: 'sample/contents' });
  }
  const byPath = (a: HubEntry, b: HubEntry) => (a.path < b.path ? -1 : 1);
  return [...classes.values()].flatMap((photos) => photos.toSorted(byPath).slice(0, count));
}
