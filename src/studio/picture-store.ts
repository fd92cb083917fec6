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
import { writeFileAtomic } from '../store/atomic.ts';
import { sha256 } from '../store/checksum.ts';
import { PICTURE, readRegular } from '../store/regular.ts';
import { openZip } from '../store/zip.ts';
import { type Problem, problemOf } from './status.ts';

/** Longer side of a kept thumbnail, in pixels: sharp in the grid on a dense screen, small in a classifier file. */
const THUMBNAIL_SIDE = 144;
const PREVIEW_SIDE = 1024;

/** A file that was brought in: kept under its hash, or what is wrong with it. */
export type Kept =
  | {
      readonly name: string;
      readonly hash: string;
      /** What a zip's table says of it: its class ('' for none yet), and what it must not be parted from. */
      readonly className?: string;
      readonly group?: string;
    }
  | { readonly name: string; readonly problem: Problem };

/** A picture that a zip's table holds out: it is not kept. */
export interface HeldOut {
  readonly name: string;
  readonly isHeldOut: true;
}

/** The session's pictures by the sha256 of their bytes, with small ones beside them. Nothing is written twice. */
export interface Pictures {
  /** Keeps a picture; one that cannot be read is not kept, and its problem is the answer. */
  keep(name: string, bytes: Uint8Array): Promise<Kept>;
  /**
   * Keeps every picture of a zip, each with its path, and with its class and group where the zip has a table of them. Throws
   * `DataError` `zip/…` where it is no zip, and `dataset/…` where its table is wrong. `called` is its name in messages.
   */
  keepZip(path: string, called?: string): Promise<(Kept | HeldOut)[]>;
  read(hash: string): Promise<Uint8Array>;
  /** Bytes of a picture's file. */
  size(hash: string): Promise<number>;
  thumbnail(hash: string): Promise<Uint8Array>;
  /** A JPEG of a picture that a browser may not know, which is kept nowhere. Throws `DataError` as decoding does. */
  preview(bytes: Uint8Array): Promise<Uint8Array>;
}

/** The pictures in a folder, which is made when the first one comes. */
export function openPictures(folder: string, loader: ImageLoader): Pictures {
  const whole = (hash: string) => join(folder, 'pictures', checkHash(hash));
  const small = (hash: string) => join(folder, 'thumbnails', `${checkHash(hash)}.jpg`);
  const keep = async (name: string, bytes: Uint8Array): Promise<Kept> => {
    const hash = sha256(bytes);
    if (existsSync(whole(hash)) && existsSync(small(hash))) return { name, hash };
    try {
      // What has no thumbnail cannot be decoded, and is found out before it is on the board.
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
      if (zip.entries.some(({ name }) => isIndex(name))) return keepListed(await readDataset(path), keep);
      const skipped = zip.skipped.map(
        ({ name, reason }): Kept => ({ name, problem: { code: 'zip/unsafe', message: reason } }),
      );
      const wanted = zip.entries.filter(({ name }) => isImagePath(name) && !isPassedOver(name));
      const kept: Kept[] = [];
      for (const { name } of wanted) {
        const bytes = await zip.read(name).catch((error): Kept => ({ name, problem: problemOf(error) }));
        kept.push(bytes instanceof Uint8Array ? await keep(name, bytes) : bytes);
      }
      return [...kept, ...skipped];
    },
    read: (hash) => readKept(whole(hash), hash),
    size: async (hash) => (await stat(whole(hash)).catch((cause) => notKept(hash, cause))).size,
    preview: (bytes) => loader.thumbnail(bytes, PREVIEW_SIDE),
    async thumbnail(hash) {
      // One that was removed from the disk is made again.
      if (!existsSync(small(hash))) await keep('', await readKept(whole(hash), hash));
      return readKept(small(hash), hash);
    },
  };
}

/** What systems and tools put beside pictures, and what is hidden. */
const isPassedOver = (path: string) => path.split('/').some((name) => isLeftover(name) || isHidden(name));

/** No path comes from outside: a name of 64 hexadecimal digits leads nowhere else. */
function checkHash(hash: string): string {
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new DataError('A picture is named by its sha256', { code: 'studio/hash' });
}

/** A table of the pictures, at the top of a zip or in the one folder there. */
const isIndex = (name: string) =>
  isIndexName(basename(name)) && name.split('/').length <= 2 && !isPassedOver(name);

type Keep = (name: string, bytes: Uint8Array) => Promise<Kept>;

/** Keeps the pictures of a table that may be learnt from, with what it says of them. */
async function keepListed(
  { classes, examples, unreadable = [] }: Dataset,
  keep: Keep,
): Promise<(Kept | HeldOut)[]> {
  const isHeldOut = heldOut(examples);
  const kept: (Kept | HeldOut)[] = [];
  for (const example of examples) {
    const { id, label, group, read } = example;
    const name = basename(id);
    if (isHeldOut(example)) {
      kept.push({ name, isHeldOut: true });
      continue;
    }
    const className = label < 0 ? '' : classes[label]!.name;
    const bytes = await read().catch((error): Kept => ({ name, problem: problemOf(error) }));
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

function notKept(hash: string, cause: unknown): never {
  throw new DataError(`The picture ${hash.slice(0, 12)} is not in this session`, {
    code: 'studio/no-picture',
    hint: 'It was removed from the disk; add it again.',
    details: { hash },
    cause,
  });
}
