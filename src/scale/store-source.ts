import { open } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { z } from 'zod';
import { isTarName } from '../dataset/archive-names.ts';
import { isHidden, isLeftover } from '../dataset/leftovers.ts';
import { parquetPictures } from '../dataset/parquet.ts';
import { diskFile } from '../dataset/source.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { hashOf } from '../store/checksum.ts';
import { type ObjectStore, outage, type StoredObject } from '../store/object-store.ts';
import { openTar } from '../store/tar.ts';
import { inTemporaryFolder } from '../store/temporary.ts';
import { changed, endsShard, lineOf, type ShardSource, type SourcePicture } from './list-source.ts';
import type { Shard } from './work.ts';

/** Leads to the pictures of a shard: those after one key up to another, or those in an archive. */
const pointerSchema = z.union([
  z.strictObject({ after: z.string().optional(), last: z.string() }),
  z.strictObject({ archive: z.string(), tag: z.string().optional() }),
]);

/**
 * The pictures in a store, without classes: those that are objects, and those in tar archives and Parquet files, each of which is a shard.
 * No more names than those of a shard are in memory.
 */
export function storeSource(store: ObjectStore): ShardSource {
  return {
    async *shards({ signal } = {}) {
      let open = newShard();
      let before: string | undefined;
      for await (const object of store.list('', { signal })) {
        throwIfAborted(signal);
        const { key } = object;
        if (isLeftOut(key)) continue;
        if (isArchive(key)) {
          const pointer = { archive: key, ...(object.tag && { tag: object.tag }) };
          yield {
            id: hashOf('archive', lineOf({ id: key }, `${object.size} ${object.tag}`)),
            pointer,
            name: key,
          };
        } else if (isImagePath(key)) {
          open.add(object);
          if (endsShard(key, open.keys)) {
            yield open.shard(before);
            [open, before] = [newShard(), key];
          }
        }
      }
      if (open.keys > 0) yield open.shard(before);
    },
    async withPictures(shard, work, { signal } = {}) {
      const pointer = pointerSchema.parse(shard.pointer);
      if ('archive' in pointer) return withArchive(store, pointer, work, signal);
      const again = newShard();
      const pictures: SourcePicture[] = [];
      for await (const object of store.list('', { after: pointer.after, signal })) {
        if (isLeftOut(object.key) || isArchive(object.key) || !isImagePath(object.key)) continue;
        again.add(object);
        pictures.push({ id: object.key, read: () => readFrom(store, object, signal) });
        if (object.key === pointer.last) break;
      }
      if (again.keys === 0 || again.shard(pointer.after).id !== shard.id) throw changed(shard);
      return work(pictures);
    },
  };
}

/** Collects the objects of a shard. */
function newShard() {
  const lines: string[] = [];
  let [first, last] = ['', ''];
  return {
    get keys() {
      return lines.length;
    },
    add({ key, size, tag }: StoredObject) {
      if (lines.length === 0) first = key;
      last = key;
      lines.push(lineOf({ id: key }, `${size} ${tag}`));
    },
    shard: (after?: string): Shard => ({
      id: hashOf(...lines),
      pointer: { ...(after !== undefined && { after }), last },
      pictures: lines.length,
      name: `${first} to ${last}`,
    }),
  };
}

const isArchive = (key: string) => isTarName(key) || /\.parquet$/i.test(key);

const isLeftOut = (key: string) => key.split('/').some((part) => isLeftover(part) || isHidden(part));

/** Reads a picture. A store that does not answer is no fault of the picture: the error ends the work on the shard. */
async function readFrom(
  store: ObjectStore,
  { key, tag }: Pick<StoredObject, 'key' | 'tag'>,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return store.read(key, { tag, signal }).catch((error) => {
    throw outage(error);
  });
}

/** The pictures in a tar archive or Parquet file. One that cannot be opened counts as a picture that cannot be read. */
async function withArchive<T>(
  store: ObjectStore,
  { archive, tag }: { archive: string; tag?: string },
  work: (pictures: readonly SourcePicture[]) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const using = async (path: string) => work(await picturesIn(path, archive, signal));
  if (!store.address.includes('://')) return using(join(store.address, archive));
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, posix.basename(archive));
    await download(store, { key: archive, tag }, path, signal);
    return using(path);
  });
}

async function picturesIn(path: string, key: string, signal?: AbortSignal): Promise<SourcePicture[]> {
  try {
    if (!isTarName(path)) {
      const files = await parquetPictures({ files: [diskFile(key, path)] });
      return files.map((file) => ({ id: file.path, read: () => file.read() }));
    }
    const tar = await openTar(path, { signal }, key);
    return tar.entries
      .filter(({ name }) => isImagePath(name) && !isLeftOut(name))
      .map(({ name }) => ({ id: `${key}/${name}`, read: () => tar.read(name) }));
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return [{ id: key, read: () => Promise.reject(error) }];
  }
}

/** Number of bytes of an object that are read at once. */
const PIECE = 2 ** 26;

async function download(
  store: ObjectStore,
  object: Pick<StoredObject, 'key' | 'tag'>,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    const { size } = (await store.find(object.key, { signal })) ?? {};
    const file = await open(path, 'wx');
    try {
      if (size === undefined) await file.writeFile(await store.read(object.key, { signal }));
      else
        for (let from = 0; from < size; from += PIECE) {
          const range = { from, to: Math.min(size, from + PIECE) };
          await file.writeFile(await store.read(object.key, { range, tag: object.tag, signal }));
        }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw outage(error);
  }
}
