import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isIndexName } from '../dataset/indexes.ts';
import { isHidden, isLeftover } from '../dataset/leftovers.ts';
import { readDataset } from '../dataset/read.ts';
import { heldOut } from '../dataset/split.ts';
import type { Dataset } from '../dataset/types.ts';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import type { ImageLoader } from '../image/loader.ts';
import { sha256 } from '../sha256.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { PICTURE, readRegular } from '../store/regular.ts';
import { openZip } from '../store/zip.ts';
import {
  checkHash,
  checkHolds,
  type HeldOut,
  type Kept,
  leftOut,
  notKept,
  type Pictures,
  THUMBNAIL_SIDE,
} from './pictures.ts';
import { problemOf } from './status.ts';

const PREVIEW_SIDE = 1024;

/** The pictures of a session in a folder. */
export interface DiskPictures extends Pictures {
  /**
   * Stores every picture of a zip with its path and, if the zip has a table, with its class and group. Throws `DataError` `zip/…` if
   * the file is not a zip, and `dataset/…` if its table is wrong. `called` is its name in messages.
   */
  keepZip(path: string, called?: string): Promise<(Kept | HeldOut)[]>;
  /** A JPEG of a picture in a format that the browser may not support. It is not stored. Throws `DataError` as `decode`. */
  preview(bytes: Uint8Array): Promise<Uint8Array>;
}

/** The pictures in a folder, which is made when the first picture is stored. */
export function openPictures(folder: string, loader: ImageLoader): DiskPictures {
  const whole = (hash: string) => join(folder, 'pictures', checkHash(hash));
  const small = (hash: string) => join(folder, 'thumbnails', `${checkHash(hash)}.jpg`);
  const keep = async (name: string, bytes: Uint8Array): Promise<Kept> => {
    const hash = sha256(bytes);
    if (existsSync(whole(hash)) && existsSync(small(hash))) return { name, hash };
    try {
      // A picture that cannot be decoded fails here, before it is on the board.
      await writeFileAtomic(small(hash), await loader.thumbnail(bytes, THUMBNAIL_SIDE));
    } catch (error) {
      if (error instanceof DataError && error.code.startsWith('image/')) {
        return { name, problem: problemOf(error) };
      }
      throw error;
    }
    await writeFileAtomic(whole(hash), bytes);
    return { name, hash };
  };
  return {
    keep,
    async keepZip(path, called) {
      const zip = await openZip(path, {}, called);
      if (zip.entries.some(({ name }) => isIndex(name))) {
        const data = await readDataset(path);
        const listed = await keepListed(data, keep);
        const unlisted = data.findings
          .filter(({ code }) => code === 'dataset/unlisted' || code === 'dataset/unread-formats')
          .flatMap(({ paths = [] }) => paths.flatMap((name) => leftOut(name, true)));
        return checkHolds([...listed, ...unlisted]);
      }
      const skipped = zip.skipped.map(
        ({ name, reason }): Kept => ({ name, problem: { code: 'zip/unsafe', message: reason } }),
      );
      const kept: Kept[] = [];
      for (const { name } of zip.entries) {
        if (isPassedOver(name)) continue;
        if (!isImagePath(name)) {
          kept.push(...leftOut(name, false));
          continue;
        }
        const bytes = await zip.read(name).catch((error): Kept => ({ name, problem: problemOf(error) }));
        kept.push(bytes instanceof Uint8Array ? await keep(name, bytes) : bytes);
      }
      return checkHolds([...kept, ...skipped]);
    },
    read: (hash) => readKept(whole(hash), hash),
    size: async (hash) => (await stat(whole(hash)).catch((cause) => notKept(hash, cause))).size,
    preview: (bytes) => loader.thumbnail(bytes, PREVIEW_SIDE),
    async thumbnail(hash) {
      // A thumbnail that was removed from the disk is made again.
      if (!existsSync(small(hash))) await keep('', await readKept(whole(hash), hash));
      return readKept(small(hash), hash);
    },
  };
}

/** Whether a path is hidden, or a file that systems and tools put beside pictures. */
const isPassedOver = (path: string) => path.split('/').some((name) => isLeftover(name) || isHidden(name));

/** Whether a file is a table of pictures, at the top of a zip or in its only folder. */
const isIndex = (name: string) =>
  isIndexName(basename(name)) && name.split('/').length <= 2 && !isPassedOver(name);

type Keep = (name: string, bytes: Uint8Array) => Promise<Kept>;

/** Stores the pictures of a table that may be learnt from, with their classes and groups. */
async function keepListed(
  { classes, examples, unreadable = [] }: Dataset,
  keep: Keep,
): Promise<(Kept | HeldOut)[]> {
  const isHeldOut = heldOut(examples);
  const kept: (Kept | HeldOut)[] = [];
  for (const example of examples) {
    const { id, label, group } = example;
    const name = basename(id);
    if (isHeldOut(example)) {
      kept.push({ name, isHeldOut: true });
      continue;
    }
    const className = label < 0 ? '' : classes[label]!.name;
    const bytes = await example.read().catch((error): Kept => ({ name, problem: problemOf(error) }));
    kept.push(bytes instanceof Uint8Array ? { ...(await keep(name, bytes)), className, group } : bytes);
  }
  for (const { path, reason } of unreadable)
    kept.push({
      name: path,
      problem: { code: 'dataset/unreadable', message: `Cannot read ${path}: ${reason}` },
    });
  return kept;
}

async function readKept(path: string, hash: string): Promise<Uint8Array> {
  return readRegular(path, PICTURE).catch((cause) => notKept(hash, cause));
}
