import { DataError } from '../../../errors.ts';
import { sha256 } from '../../../sha256.ts';
import { pixelsOfFile, rasterOf } from '../../../web/raster.ts';
import { thumbnailOf } from '../../../web/session.ts';
import { checkHash, type Kept, notKept, type Pictures, THUMBNAIL_SIDE } from '../../pictures.ts';
import { problemOf } from '../../status.ts';
import type { StoredFolder } from './storage.ts';

/** The pictures of a session in the browser's storage. A kept picture is claimed until it is settled. */
export interface StoredPictures extends Pictures {
  file(hash: string): Promise<File>;
  settle(hashes: readonly string[]): Promise<void>;
  /** Removes all pictures that are neither remembered nor claimed. Returns the size of their files in bytes. */
  removeOrphans(): Promise<number>;
}

/**
 * The pictures in a folder of the browser's storage. Only pictures that the browser can decode are stored. `isRemembered` tells whether a
 * picture is on the board, or comes back with undo or redo.
 */
export function storedPictures(
  folder: StoredFolder,
  isRemembered: (hash: string) => boolean,
): StoredPictures {
  const [whole, small] = [folder.folder(PICTURES), folder.folder('thumbnails')];
  const file = async (hash: string) => (await whole.file(checkHash(hash))) ?? notKept(hash, undefined);
  const read = async (hash: string) => new Uint8Array(await (await file(hash)).arrayBuffer());
  const makeThumbnail = async (hash: string, picture: Blob) => {
    const thumbnail = await thumbnailOf(rasterOf(await pixelsOfFile(picture, true)), THUMBNAIL_SIDE);
    await small.write(thumbnailName(hash), thumbnail);
    return thumbnail;
  };
  /** Numbers of keeps whose pictures are not settled yet, by hash. */
  const claims = new Map<string, number>();
  const claim = (hash: string, change: 1 | -1) => {
    const count = (claims.get(hash) ?? 0) + change;
    if (count > 0) claims.set(hash, count);
    else claims.delete(hash);
  };
  const isOrphan = (hash: string) => !claims.has(hash) && !isRemembered(hash);
  /** The last work on each picture that has not ended: a file can be opened for writing only once at a time. */
  const running = new Map<string, Promise<unknown>>();
  const inTurn = async <T>(hash: string, work: () => Promise<T>): Promise<T> => {
    const before = running.get(hash)?.catch(() => {});
    const own = (async () => {
      await before;
      return work();
    })();
    running.set(hash, own);
    try {
      return await own;
    } finally {
      if (running.get(hash) === own) running.delete(hash);
    }
  };
  const removeOrphan = async (hash: string): Promise<number> => {
    if (!isOrphan(hash)) return 0;
    const size = (await whole.file(hash))?.size ?? 0;
    await whole.remove(hash);
    await small.remove(thumbnailName(hash));
    return size;
  };
  const keepAlone = async (name: string, hash: string, bytes: Uint8Array): Promise<Kept> => {
    // A picture whose writing was interrupted is shorter, and is written again.
    if ((await whole.file(hash))?.size === bytes.length && bytes.length > 0) return { name, hash };
    try {
      // A picture that cannot be decoded fails here, before it is on the board.
      await makeThumbnail(hash, new Blob([bytes as Uint8Array<ArrayBuffer>]));
    } catch (error) {
      if (error instanceof DataError && error.code.startsWith('image/'))
        return { name, problem: problemOf(error) };
      throw error;
    }
    await whole.write(hash, bytes);
    return { name, hash };
  };
  return {
    file,
    read,
    keep(name, bytes) {
      const hash = sha256(bytes);
      claim(hash, 1);
      return inTurn(hash, async () => {
        let kept: Kept | undefined;
        try {
          kept = await keepAlone(name, hash, bytes);
          return kept;
        } finally {
          if (!kept || 'problem' in kept) {
            claim(hash, -1);
            // The person needs the first error. Files that cannot be removed now are removed at the next start.
            await removeOrphan(hash).catch(() => {});
          }
        }
      });
    },
    async settle(hashes) {
      for (const hash of hashes) {
        claim(hash, -1);
        // Files that cannot be removed now are removed at the next start.
        if (isOrphan(hash)) await inTurn(hash, () => removeOrphan(hash)).catch(() => {});
      }
    },
    async removeOrphans() {
      const names = [...(await whole.names()), ...(await small.names())];
      let freed = 0;
      for (const hash of new Set(names.map((name) => name.replace(/\.jpg$/, ''))))
        freed += await inTurn(hash, () => removeOrphan(hash));
      return freed;
    },
    size: async (hash) => (await file(hash)).size,
    async thumbnail(hash) {
      const kept = await small.file(thumbnailName(checkHash(hash)));
      if (kept && kept.size > 0) return new Uint8Array(await kept.arrayBuffer());
      return makeThumbnail(hash, await file(hash));
    },
  };
}

/** The folder of the pictures in a project's folder. */
export const PICTURES = 'pictures';

const thumbnailName = (hash: string) => `${hash}.jpg`;
