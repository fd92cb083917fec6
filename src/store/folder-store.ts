import { createReadStream, type Stats } from 'node:fs';
import { readdir, realpath, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { giveWay } from '../abort.ts';
import { DataError, systemCode } from '../errors.ts';
import { systemError } from '../system-error.ts';
import { createFileAtomic, writeFileAtomic } from './atomic.ts';
import {
  changedObject,
  checkKey,
  complete,
  type ListOptions,
  type ObjectStore,
  type PutOptions,
  type ReadOptions,
  type StoredBody,
  type StoredObject,
} from './object-store.ts';
import { openRegular } from './regular.ts';
import { isTemporary } from './temporary.ts';

const OBJECT = { area: 'store', hint: 'Check that the file exists and that you may read it.' };

/** A local or shared folder as a store. Links are followed; the temporary files of unfinished writes are not listed. */
export function folderStore(folder: string): ObjectStore {
  const root = resolve(folder);
  const pathOf = (key: string) => join(root, checkKey(key));
  return {
    address: folder,
    list: (prefix = '', options) => filesBelow(root, '', prefix, [], options),
    async find(key) {
      const found = await stat(pathOf(key)).catch(absent);
      return found?.isFile() ? objectOf(key, found) : undefined;
    },
    read: (key, options) => readFile(pathOf(key), options),
    put: (key, body, options) => writeObject(pathOf(key), body, options),
    async remove(key) {
      const path = pathOf(key);
      await rm(path, { force: true }).catch((error) => {
        throw systemError(error, { path, writing: true }) ?? error;
      });
    },
    pathOf: async (key) => pathOf(key),
  };
}

function objectOf(key: string, { size, mtimeMs }: Stats): StoredObject {
  return { key, size, tag: tagOf({ size, mtimeMs }) };
}

/** Inode and device have no part in it, because machines that share a folder see different ones. */
function tagOf({ size, mtimeMs }: Pick<Stats, 'size' | 'mtimeMs'>): string {
  return `${size}-${mtimeMs}`;
}

/** Returns undefined for a path that does not exist, and throws every other error. */
function absent(error: unknown): undefined {
  if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw systemError(error) ?? error;
}

/** The files below a folder, in the order of the bytes of their keys. `above` has the real paths of the folders that led here. */
async function* filesBelow(
  root: string,
  inside: string,
  prefix: string,
  above: readonly string[],
  options: ListOptions = {},
): AsyncGenerator<StoredObject> {
  const { signal, after } = options;
  const folder = join(root, inside);
  const real = await realpath(folder).catch(absent);
  // As in a bucket, a folder that does not exist has no objects.
  if (real === undefined) return;
  if (above.includes(real)) throw loop(folder);
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw systemError(error, { path: folder }) ?? error;
  });
  const keys: string[] = [];
  for (const entry of entries) {
    const key = `${inside}${entry.name}`;
    if (isTemporary(entry.name)) continue;
    const folderLike =
      entry.isDirectory() ||
      (entry.isSymbolicLink() && (await stat(join(root, key)).catch(absent))?.isDirectory());
    const ordered = folderLike ? `${key}/` : key;
    if (ordered.startsWith(prefix) || (folderLike && prefix.startsWith(ordered))) keys.push(ordered);
  }
  for (const key of inByteOrder(keys)) {
    await giveWay(signal);
    if (after !== undefined && isBefore(key, after)) continue;
    if (key.endsWith('/')) yield* filesBelow(root, key, prefix, [...above, real], options);
    else {
      const found = await stat(join(root, key)).catch(absent);
      if (found?.isFile()) yield objectOf(key, found);
    }
  }
}

/** Whether a file, or all files of a folder, come before `after` or are this file. */
function isBefore(key: string, after: string): boolean {
  const isAround = key.endsWith('/') && after.startsWith(key);
  return !isAround && Buffer.compare(Buffer.from(key), Buffer.from(after)) <= 0;
}

/** The order of UTF-8, which that of UTF-16 differs from beyond the basic plane. */
function inByteOrder(keys: readonly string[]): string[] {
  return keys
    .map((key) => ({ key, bytes: Buffer.from(key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ key }) => key);
}

function loop(folder: string): DataError {
  return new DataError(`Cannot list ${folder}: links lead in a circle`, {
    code: 'disk/loop',
    hint: 'Check the links on the path.',
    details: { path: folder },
  });
}

async function readFile(path: string, { range, tag, signal }: ReadOptions = {}): Promise<Uint8Array> {
  const { file, stats } = await openRegular(path, OBJECT);
  try {
    if (tag !== undefined && tag !== tagOf(stats)) throw changedObject(path);
    const { from, to } = range ?? { from: 0, to: stats.size };
    const bytes = new Uint8Array(to - from);
    let length = 0;
    while (length < bytes.length) {
      await giveWay(signal);
      const { bytesRead } = await file.read(
        bytes,
        length,
        Math.min(bytes.length - length, PIECE),
        from + length,
      );
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return complete(bytes.subarray(0, length), bytes.length, path);
  } finally {
    await file.close();
  }
}

/** Number of bytes that are read at once. */
const PIECE = 2 ** 26;

async function writeObject(
  path: string,
  body: StoredBody,
  { onlyIfAbsent = false, signal }: PutOptions = {},
): Promise<'written' | 'already there'> {
  const content = body instanceof Uint8Array ? body : createReadStream(body.file, { highWaterMark: 2 ** 20 });
  if (onlyIfAbsent) return (await createFileAtomic(path, content, { signal })) ? 'written' : 'already there';
  await writeFileAtomic(path, content, { signal });
  return 'written';
}
