import { open } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { z } from 'zod';
import type { Abortable } from '../abort.ts';
import { isTarName } from '../dataset/archive-names.ts';
import { diskFile } from '../dataset/disk-file.ts';
import { isHidden, isLeftover } from '../dataset/leftovers.ts';
import { parquetPictures } from '../dataset/parquet.ts';
import { ahead } from '../encoder/ahead.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { sha256 } from '../sha256.ts';
import { hashOf } from '../store/checksum.ts';
import { type ListOptions, outage, type PictureStore, type StoredObject } from '../store/object-store.ts';
import { openStore } from '../store/open-store.ts';
import { isHubData } from '../store/store-address.ts';
import { openTar } from '../store/tar.ts';
import { inTemporaryFolder } from '../store/temporary.ts';
import { changed, endsShard, lineOf, type ShardSource, type SourcePicture } from './list-source.ts';
import type { Shard } from './work.ts';

/** Leads to the pictures of a shard: those after one key up to another, or those in an archive. */
const pointerSchema = z.union([
  z.strictObject({ after: z.string().optional(), last: z.string() }),
  z.strictObject({ archive: z.string() }),
]);

/** An object that changes its `version` whenever its content changes. */
interface Versioned extends StoredObject {
  readonly version: string;
}

/** Number of objects whose version is asked for at the same time. */
const AHEAD = 32;

/** The store of a source for which `isStreamed` holds. `note` is called with one line about the size of a data set on the hub. */
export async function openPictures(
  source: string,
  options: Abortable & { note?(line: string): void } = {},
): Promise<PictureStore> {
  if (!isHubData(source)) return openStore(source);
  const { hubStore } = await import('../dataset/hub-data.ts');
  return hubStore(source, options);
}

/**
 * The pictures in a store, without classes: those that are objects, and those in tar archives and Parquet files, each of which is a shard.
 * No more names than those of a shard are in memory. Throws `DataError` `images/none` for a store without any.
 */
export function storeSource(store: PictureStore): ShardSource {
  let leftOut = 0;
  const versioned = (prefix: string, { signal, after }: ListOptions, skip?: () => void) =>
    ahead(
      picturesAndArchives(store.list(prefix, { signal, after }), skip),
      (object) => withVersion(store, object, signal),
      AHEAD,
    );
  return {
    leftOut: () => leftOut,
    async *shards({ signal } = {}) {
      let open = newShard();
      let before: string | undefined;
      let any = false;
      leftOut = 0;
      for await (const object of versioned('', { signal }, () => leftOut++)) {
        throwIfAborted(signal);
        any = true;
        const { key } = object;
        if (isArchive(key)) yield archiveShard(object);
        else {
          open.add(object);
          if (endsShard(key, open.keys)) {
            yield open.shard(before);
            [open, before] = [newShard(), key];
          }
        }
      }
      if (open.keys > 0) yield open.shard(before);
      if (!any) throw noPictures(store.address);
    },
    async withPictures(shard, work, { signal } = {}) {
      const pointer = pointerSchema.parse(shard.pointer);
      if ('archive' in pointer) {
        for await (const object of versioned(pointer.archive, { signal }))
          if (object.key === pointer.archive && archiveShard(object).id === shard.id)
            return withArchive(store, object, work, signal);
        throw changed(shard);
      }
      const again = newShard();
      const pictures: SourcePicture[] = [];
      for await (const object of versioned('', { after: pointer.after, signal })) {
        if (isArchive(object.key)) continue;
        again.add(object);
        pictures.push({ id: object.key, read: () => readFrom(store, object, signal) });
        if (object.key === pointer.last) break;
      }
      if (again.keys === 0 || again.shard(pointer.after).id !== shard.id) throw changed(shard);
      return work(pictures);
    },
  };
}

/** Leaves out objects that are neither pictures nor archives. `skip` is called for each of them, except for hidden ones. */
async function* picturesAndArchives(
  objects: AsyncIterable<StoredObject>,
  skip?: () => void,
): AsyncGenerator<StoredObject> {
  for await (const object of objects) {
    if (isLeftOut(object.key)) continue;
    if (isArchive(object.key) || isImagePath(object.key)) yield object;
    else skip?.();
  }
}

/** Requests the facts that the list does not have. If a server gives neither a tag nor a date, or answers only GET, the bytes are read. */
async function withVersion(
  store: PictureStore,
  object: StoredObject,
  signal?: AbortSignal,
): Promise<Versioned> {
  const { key } = object;
  const found = object.tag === undefined ? await store.find(key, { signal }).catch(() => undefined) : object;
  const { size, tag, modified } = found ?? {};
  if (tag !== undefined) return { key, size, tag, version: `${size} ${tag}` };
  if (modified !== undefined && size !== undefined) return { key, size, version: `${size} ${modified}` };
  const version = await store.read(key, { signal }).then(sha256, (error) => {
    if (error instanceof DataError && error.code === 'store/missing') return 'missing';
    throw outage(error);
  });
  return { key, version };
}

/** Collects the objects of a shard. */
function newShard() {
  const lines: string[] = [];
  let [first, last] = ['', ''];
  return {
    get keys() {
      return lines.length;
    },
    add({ key, version }: Versioned) {
      if (lines.length === 0) first = key;
      last = key;
      lines.push(lineOf({ id: key }, version));
    },
    shard: (after?: string): Shard => ({
      id: hashOf(...lines),
      pointer: { ...(after !== undefined && { after }), last },
      pictures: lines.length,
      name: `${first} to ${last}`,
    }),
  };
}

function archiveShard({ key, version }: Versioned): Shard {
  return { id: hashOf('archive', lineOf({ id: key }, version)), pointer: { archive: key }, name: key };
}

function noPictures(where: string): DataError {
  return new DataError(`There is no picture in ${where}`, {
    code: 'images/none',
    hint: 'Check the address: the bucket and the folder in it, or the lines of the list.',
    details: { where },
  });
}

const isArchive = (key: string) => isTarName(key) || /\.parquet$/i.test(key);

const isLeftOut = (key: string) => key.split('/').some((part) => isLeftover(part) || isHidden(part));

/** Reads a picture. A store that does not answer is no fault of the picture: the error ends the work on the shard. */
async function readFrom(
  store: PictureStore,
  { key, tag }: Pick<StoredObject, 'key' | 'tag'>,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return store.read(key, { tag, signal }).catch((error) => {
    throw outage(error);
  });
}

/** The pictures in a tar archive or Parquet file. One that cannot be opened or has none counts as a picture that cannot be read. */
async function withArchive<T>(
  store: PictureStore,
  object: StoredObject,
  work: (pictures: readonly SourcePicture[]) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { key } = object;
  const using = async (path: string) => work(await picturesIn(path, key, signal));
  if (store.pathOf) return using(await store.pathOf(key, { signal }));
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, posix.basename(key));
    await download(store, object, path, signal);
    return using(path);
  });
}

async function picturesIn(path: string, key: string, signal?: AbortSignal): Promise<SourcePicture[]> {
  const unread = (id: string, error: DataError) => ({ id, read: () => Promise.reject(error) });
  try {
    const pictures = isTarName(path)
      ? await picturesInTar(path, key, unread, signal)
      : (await parquetPictures({ files: [diskFile(key, path)] })).map((file) => ({
          id: file.path,
          read: () => file.read(),
        }));
    if (pictures.length === 0) throw noPictures(key);
    return pictures;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return [unread(key, error)];
  }
}

/** The pictures in a tar archive, with those that are left out for a reason. */
async function picturesInTar(
  path: string,
  key: string,
  unread: (id: string, error: DataError) => SourcePicture,
  signal?: AbortSignal,
): Promise<SourcePicture[]> {
  const tar = await openTar(path, { signal }, key);
  const isPicture = ({ name }: { name: string }) => isImagePath(name) && !isLeftOut(name);
  const skipped = tar.skipped.filter(isPicture).map(({ name, reason }) => {
    const where = `${key}/${name}`;
    return unread(where, new DataError(`${where} is not read: ${reason}`, { code: 'dataset/unlisted' }));
  });
  return [
    ...tar.entries
      .filter(isPicture)
      .map(({ name }) => ({ id: `${key}/${name}`, read: () => tar.read(name) })),
    ...skipped,
  ];
}

/** Number of bytes of an object that are read at once. */
const PIECE = 2 ** 26;

async function download(
  store: PictureStore,
  { key, size, tag }: StoredObject,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    const file = await open(path, 'wx');
    try {
      if (size === undefined) await file.writeFile(await store.read(key, { signal }));
      else
        for (let from = 0; from < size; from += PIECE) {
          const range = { from, to: Math.min(size, from + PIECE) };
          await file.writeFile(await store.read(key, { range, tag, signal }));
        }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw outage(error);
  }
}
