import { constants, fdatasync, fsync } from 'node:fs';
import { copyFile, mkdir, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Abortable } from '../abort.ts';
import { DataError, systemCode, throwIfAborted, UsageError } from '../errors.ts';
import { systemError } from '../system-error.ts';
import { kindOf } from './regular.ts';
import { removeAbandoned, temporaryName } from './temporary.ts';

/** Brings to the disk what was written. By descriptor: the file handles of Yarn's Plug'n'Play have no such methods. */
export const flush = promisify(fdatasync);
const flushFolder = promisify(fsync);

/** What a file is made of: bytes, text, or pieces that come one by one. */
export type FileContent = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file whole or not at all: into a temporary file beside it, flushed to the disk, then renamed. Whoever reads
 * `path` meanwhile sees the old file or the new one, and of two writers one whole file stays. Missing folders are made;
 * a symbolic link is written through. Throws `DataError` (`disk/…`) where the folder cannot be written or the disk is full, and
 * `InterruptedError` where the signal fires before the file has its name: then nothing is changed.
 */
export async function writeFileAtomic(
  path: string,
  content: FileContent,
  { signal }: Abortable = {},
): Promise<void> {
  let temporary: string | undefined;
  try {
    await mkdir(dirname(path), { recursive: true });
    const target = await realpath(path).catch(() => path);
    await refuseIrregular(target, path);
    // A name of its own, not the target's with an ending: that could exceed the longest name allowed.
    temporary = join(dirname(target), temporaryName());
    await removeAbandoned(dirname(target));
    await writeContent(temporary, content, signal);
    throwIfAborted(signal);
    await moveFile(temporary, target);
  } catch (error) {
    if (temporary) await rm(temporary, { force: true }).catch(() => {});
    throwIfAborted(signal);
    throw diskError(error, path);
  }
}

/** Pieces are written one by one: Bun's `writeFile` writes more than there is of pieces that are parts of a buffer. */
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

/** A rename would put a file in the place of a pipe or a device that other programs use. */
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

/** Renames over whatever is at `target` and makes the rename last. */
export async function moveFile(source: string, target: string): Promise<void> {
  await renamePatiently(source, target);
  // A rename lasts only once its folder is flushed; Windows has no such call.
  const folder = await open(dirname(target), 'r').catch(() => undefined);
  if (folder) await flushFolder(folder.fd).catch(() => {});
  await folder?.close().catch(() => {});
}

/** On Windows a virus scanner or another reader may hold the target for a moment. */
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
 * Copies a file into a folder (made if missing) under `name`, or `name (2)`, `name (3)`, … with the same ending where
 * that is taken; nothing is ever overwritten. Returns the path written. Throws `DataError` (`disk/…`).
 */
export async function copyWithoutOverwriting(source: string, folder: string, name: string): Promise<string> {
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
      await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      return target;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw diskError(error, target);
    }
  }
}

/** A failed write as a `DataError` that says what to do; errors that are not the disk's come back as they are. */
export function diskError(error: unknown, path: string): unknown {
  return systemError(error, { path, writing: true }) ?? error;
}
