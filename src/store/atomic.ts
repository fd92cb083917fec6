import { constants, fdatasync, fsync } from 'node:fs';
import { copyFile, link, mkdir, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Abortable } from '../abort.ts';
import { DataError, systemCode, throwIfAborted, UsageError } from '../errors.ts';
import { systemError } from '../system-error.ts';
import { kindOf } from './regular.ts';
import { removeAbandoned, temporaryName } from './temporary.ts';

/** Flushes written data to the disk. It takes a descriptor, because the file handles of Yarn's Plug'n'Play have no such method. */
export const flush = promisify(fdatasync);
const flushFolder = promisify(fsync);

/** The content of a file to write: bytes, text, or pieces that are written one by one. */
export type FileContent = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file atomically: into a temporary file beside it, which is flushed to the disk and then renamed. A reader of `path` sees
 * either the old file or the new one. If two processes write at once, one of their files remains, whole. Missing folders are made.
 * If `path` is a symbolic link, its target is written. Throws `DataError` (`disk/…`) if the folder cannot be written to or the disk is
 * full, and `InterruptedError` if the signal fires before the renaming; nothing is changed then.
 */
export async function writeFileAtomic(
  path: string,
  content: FileContent,
  { signal }: Abortable = {},
): Promise<void> {
  await writeAside(path, content, moveFile, signal);
}

/**
 * Writes a file as `writeFileAtomic` does, unless there is one already. Of several writers at once, on one machine or on several that
 * share the folder, one gets `true` and the others `false`.
 */
export async function createFileAtomic(
  path: string,
  content: FileContent,
  { signal }: Abortable = {},
): Promise<boolean> {
  return writeAside(path, content, linkFile, signal);
}

/** Writes a temporary file beside the target and has `finish` give it its name. Returns the result of `finish`. */
async function writeAside<T>(
  path: string,
  content: FileContent,
  finish: (temporary: string, target: string) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let temporary: string | undefined;
  try {
    await mkdir(dirname(path), { recursive: true });
    const target = await realpath(path).catch(() => path);
    await refuseIrregular(target, path);
    // The temporary name is not the target's name with a suffix, which could exceed the longest name allowed.
    temporary = join(dirname(target), temporaryName());
    await removeAbandoned(dirname(target));
    await writeContent(temporary, content, signal);
    throwIfAborted(signal);
    return await finish(temporary, target);
  } catch (error) {
    if (temporary) await rm(temporary, { force: true }).catch(() => {});
    throwIfAborted(signal);
    throw diskError(error, path);
  }
}

/** Writes pieces one by one: Bun's `writeFile` writes too many bytes if a piece is a view on part of a buffer. */
async function writeContent(path: string, content: FileContent, signal?: AbortSignal): Promise<void> {
  if (typeof content === 'string' || content instanceof Uint8Array)
    return writeFile(path, content, { flag: 'wx', flush: true, signal });
  const file = await open(path, 'wx');
  try {
    for await (const piece of content) {
      throwIfAborted(signal);
      for (let at = 0; at < piece.length; )
        at += (await file.write(piece, at, piece.length - at)).bytesWritten;
    }
    await flush(file.fd);
  } finally {
    await file.close();
  }
}

/** Refuses a pipe or a device as the target, because renaming would replace it by a file while other programs use it. */
async function refuseIrregular(target: string, path: string): Promise<void> {
  const found = await stat(target).catch(() => undefined);
  const kind = kindOf(found);
  if (!kind || found?.isDirectory()) return;
  throw new DataError(`Cannot write ${path}: it is ${kind}, not a regular file`, {
    code: 'disk/irregular',
    hint: 'Give the path of a file.',
    details: { path },
  });
}

/** Gives a temporary file its name, unless the name is taken. Returns whether it did; the temporary name is gone in either case. */
async function linkFile(temporary: string, target: string): Promise<boolean> {
  try {
    await link(temporary, target);
  } catch (error) {
    const code = systemCode(error) ?? '';
    // Some file systems have no links: exFAT, and some shares.
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) {
      if (!(await stat(target).catch(() => undefined))) return moveFile(temporary, target).then(() => true);
    } else if (code !== 'EEXIST') throw error;
    await rm(temporary, { force: true });
    return false;
  }
  await rm(temporary, { force: true });
  await flushFolderOf(target);
  return true;
}

/** Renames a file, replacing any file at `target`, and flushes the renaming to the disk. */
export async function moveFile(source: string, target: string): Promise<void> {
  await renamePatiently(source, target);
  await flushFolderOf(target);
}

async function flushFolderOf(target: string): Promise<void> {
  // A renaming survives a power failure only after its folder is flushed. Windows has no such call.
  const folder = await open(dirname(target), 'r').catch(() => undefined);
  if (folder) await flushFolder(folder.fd).catch(() => {});
  await folder?.close().catch(() => {});
}

/** Renames, and tries again for a while on Windows, where a virus scanner or another reader may lock the target briefly. */
async function renamePatiently(source: string, target: string): Promise<void> {
  for (let wait = 10; ; wait *= 2) {
    try {
      return await rename(source, target);
    } catch (error) {
      const busy = ['EPERM', 'EACCES', 'EBUSY'].includes(systemCode(error) ?? '');
      if (process.platform !== 'win32' || !busy || wait > 1000) throw error;
      await sleep(wait);
    }
  }
}

/**
 * Copies a file, or writes bytes, into a folder (made if missing) without overwriting any file: under `name` or, if that is taken, under `name (2)`,
 * `name (3)`, … with the same extension. Returns the path written. Throws `DataError` (`disk/…`).
 */
export async function copyWithoutOverwriting(
  source: string | Uint8Array,
  folder: string,
  name: string,
): Promise<string> {
  if (name !== basename(name) || name === '..' || name === '.' || name === '') {
    throw new UsageError(`"${name}" is not a plain file name`, { code: 'disk/name', details: { name } });
  }
  const { name: stem, ext } = parse(name);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw diskError(error, folder);
  }
  for (let copy = 1; ; copy++) {
    const target = join(folder, copy === 1 ? name : `${stem} (${copy})${ext}`);
    try {
      if (typeof source === 'string')
        await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      else await writeFile(target, source, { flag: 'wx' });
      return target;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw diskError(error, target);
    }
  }
}

/** The `DataError` of a failed write, with a hint; other errors are returned unchanged. */
export function diskError(error: unknown, path: string): unknown {
  return systemError(error, { path, writing: true }) ?? error;
}
