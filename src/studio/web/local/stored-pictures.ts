import { DataError } from '../../../errors.ts';
import { sha256 } from '../../../sha256.ts';
import { pixelsOfFile, rasterOf } from '../../../web/raster.ts';
import { thumbnailOf } from '../../../web/session.ts';
import { checkHash, type Kept, notKept, type Pictures, THUMBNAIL_SIDE } from '../../pictures.ts';
import { problemOf } from '../../status.ts';
import type { StoredFolder } from './storage.ts';

/** The pictures of a session in the browser's storage. */
export interface StoredPictures extends Pictures {
  file(hash: string): Promise<File>;
}

/** The pictures in a folder of the browser's storage. Only pictures that the browser can decode are stored. */
export function storedPictures(folder: StoredFolder): StoredPictures {
  const [whole, small] = [folder.folder('pictures'), folder.folder('thumbnails')];
  const file = async (hash: string) => (await whole.file(checkHash(hash))) ?? notKept(hash, undefined);
  const read = async (hash: string) => new Uint8Array(await (await file(hash)).arrayBuffer());
  const makeThumbnail = async (hash: string, picture: Blob) => {
    const thumbnail = await thumbnailOf(rasterOf(await pixelsOfFile(picture, true)), THUMBNAIL_SIDE);
    await small.write(thumbnailName(hash), thumbnail);
    return thumbnail;
  };
  /** The keeps that have not ended, by hash: a file can be opened for writing only once at a time. */
  const running = new Map<string, Promise<Kept>>();
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
    async keep(name, bytes) {
      const hash = sha256(bytes);
      const before = running.get(hash)?.catch(() => {});
      const own = (async () => {
        await before;
        return keepAlone(name, hash, bytes);
      })();
      running.set(hash, own);
      try {
        return await own;
      } finally {
        if (running.get(hash) === own) running.delete(hash);
      }
    },
    size: async (hash) => (await file(hash)).size,
    async thumbnail(hash) {
      const kept = await small.file(thumbnailName(checkHash(hash)));
      if (kept && kept.size > 0) return new Uint8Array(await kept.arrayBuffer());
      return makeThumbnail(hash, await file(hash));
    },
  };
}

const thumbnailName = (hash: string) => `${hash}.jpg`;
