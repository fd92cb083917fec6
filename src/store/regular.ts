import { constants, type Dirent, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Abortable } from '../abort.ts';
import { DataError, type ModelError, systemCode, TipAdapterError, throwIfAborted } from '../errors.ts';
import { systemError } from '../system-error.ts';
import { count } from '../words.ts';

/** The purpose that a file is read for. It determines the size limit, and the class and codes of errors. */
export interface FileUse {
  /** First part of the error codes: `image` gives `image/missing`, `image/unreadable` and `image/too-many-bytes`. */
  readonly area: string;
  /** Class of the errors. */
  readonly Failure?: typeof DataError | typeof ModelError;
  /** Largest size in bytes. */
  readonly limit?: number;
  /** Hint of every error. */
  readonly hint?: string;
}

/** Largest size in bytes of one buffer on all of Node's platforms. */
const LARGEST = 2 ** 31 - 1;

/** A picture. Its size limit is that of an entry in a zip. */
export const PICTURE: FileUse = {
  area: 'image',
  limit: 2 ** 29,
  hint: 'Check the path, that the file is a picture, and that you may read it.',
};

/** Size limit of a configuration or list in JSON or text, in bytes. Multilingual tokenizers have up to 35 MB. */
export const CONFIGURATION_LIMIT = 2 ** 27;

/** Number of bytes that are read at once. */
const CHUNK = 2 ** 26;

/** Size of the first buffer for a file that reports a size of 0, as files in /proc do. */
const FIRST = 2 ** 16;

/**
 * Opens a regular file for reading, and refuses everything else (a folder, a pipe, a device, a socket) before a byte is read.
 * Opening a pipe does not wait for its writer. Throws the `Failure` of `use` with the codes `<area>/missing`,
 * `<area>/unreadable` and, if the file is larger than the limit of `use`, `<area>/too-many-bytes`.
 */
export async function openRegular(path: string, use: FileUse): Promise<{ file: FileHandle; stats: Stats }> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(async (cause) => {
    // Opening fails for a socket and, on Windows, for a folder.
    const kind = kindOf(await stat(path).catch(() => undefined));
    throw kind ? irregular(path, kind, use, cause) : unreadable(path, cause, use);
  });
  try {
    const stats = await file.stat();
    const kind = kindOf(stats);
    if (kind) throw irregular(path, kind, use);
    if (use.limit !== undefined && stats.size > use.limit) throw tooLarge(path, use.limit, use);
    return { file, stats };
  } catch (error) {
    await file.close();
    throw error instanceof TipAdapterError ? error : unreadable(path, error, use);
  }
}

/** The bytes of a regular file. The limit of `use` holds even if the file reports a wrong size. Throws as `openRegular`. */
export async function readRegular(path: string, use: FileUse, { signal }: Abortable = {}): Promise<Buffer> {
  const limit = use.limit ?? LARGEST;
  const { file, stats } = await openRegular(path, { ...use, limit });
  try {
    const { size } = stats;
    let bytes = Buffer.allocUnsafeSlow(size || FIRST);
    let length = 0;
    for (;;) {
      throwIfAborted(signal);
      const { bytesRead } = await file.read(bytes, length, Math.min(bytes.length - length, CHUNK), length);
      length += bytesRead;
      if (bytesRead === 0 || length === size) return bytes.subarray(0, length);
      if (length > limit) throw tooLarge(path, limit, use);
      if (length === bytes.length) bytes = Buffer.concat([bytes], Math.min(2 * length, limit + 1));
    }
  } catch (error) {
    throw error instanceof TipAdapterError ? error : unreadable(path, error, use);
  } finally {
    await file.close();
  }
}

/** The text of a regular file in UTF-8. Throws as `openRegular`. */
export async function readRegularText(path: string, use: FileUse): Promise<string> {
  return (await readRegular(path, { limit: CONFIGURATION_LIMIT, ...use })).toString('utf8');
}

/** Yields `size` bytes of an open file from position `from` on, piece by piece, then closes the file. */
export async function* readUpTo(file: FileHandle, size: number, from = 0): AsyncGenerator<Buffer> {
  // The end of a stream's range is inclusive, so an empty range cannot be expressed.
  if (size === 0) return file.close();
  yield* file.createReadStream({ start: from, end: from + size - 1, highWaterMark: 2 ** 20 });
}

/** The state of a file that is opened by other code afterwards. Throws as `openRegular` if it cannot be read. */
export async function checkRegular(path: string, use: FileUse): Promise<Stats> {
  const { file, stats } = await openRegular(path, use);
  await file.close();
  return stats;
}

/** Returns undefined for the error of a missing file or folder, and throws every other error. */
export function unlessMissing(error: unknown): undefined {
  const { cause } = error as { cause?: unknown };
  if (systemCode(error) !== 'ENOENT' && systemCode(cause) !== 'ENOENT') throw error;
}

/** Identifies a file, so that another one that later has the same name can be told from it. */
export function fileIdentity({ dev, ino, size, mtimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs].join(' ');
}

/** The kind of a file that is not regular, in words; undefined for a regular file. */
export function kindOf(stats: Dirent | Stats | undefined): string | undefined {
  if (!stats || stats.isFile()) return undefined;
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

function failure(message: string, code: string, path: string, use: FileUse, cause?: unknown): Error {
  const { area, Failure = DataError, hint } = use;
  return new Failure(message, { code: `${area}/${code}`, hint, details: { path }, cause });
}

function irregular(path: string, kind: string, use: FileUse, cause?: unknown): Error {
  return failure(`${path} is ${kind}, not a regular file`, 'unreadable', path, use, cause);
}

function tooLarge(path: string, limit: number, use: FileUse): Error {
  return failure(`${path} is larger than the limit of ${count(limit, 'byte')}`, 'too-many-bytes', path, use);
}

function unreadable(path: string, cause: unknown, use: FileUse): Error {
  if (systemCode(cause) === 'ENOENT') return failure(`There is no file ${path}`, 'missing', path, use, cause);
  const named = systemError(cause, { path, writing: false });
  const message = named?.message ?? `Cannot read ${path}: ${(cause as Error).message}`;
  return failure(message, 'unreadable', path, { hint: named?.hint, ...use }, cause);
}
