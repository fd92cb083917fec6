import type { FileHandle } from 'node:fs/promises';
import { Zip, ZipPassThrough } from 'fflate';
import { ModelError, throwIfAborted } from '../errors.ts';
import { type FileUse, openRegular, readUpTo } from '../store/regular.ts';

/**
 * Zip files of weights, which do not compress: entries are stored as they are, written and read piece by piece. Reading goes
 * by the directory at the end of the file (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3): searching the
 * stream for the end of an entry would stumble over weights that look like one.
 */
export interface ZipEntry {
  readonly path: string;
  readonly bytes: number;
  /** Position of the entry's local header. */
  readonly offset: number;
}

const BUNDLE: FileUse = { area: 'bundle', Failure: ModelError };

/** The bytes of a zip file that holds the files at `source` under `path`. */
export async function* zipFiles(
  files: readonly { readonly path: string; readonly source: string }[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) throw error;
    ready.push(chunk);
  });
  function* written(): Generator<Uint8Array> {
    yield* ready;
    ready = [];
  }
  for (const { path, source } of files) {
    const entry = new ZipPassThrough(path);
    zip.add(entry);
    const { file, stats } = await openRegular(source, BUNDLE);
    for await (const chunk of readUpTo(file, stats.size)) {
      throwIfAborted(signal);
      entry.push(chunk);
      yield* written();
    }
    entry.push(new Uint8Array(), true);
    yield* written();
  }
  zip.end();
  yield* written();
}

const DIRECTORY_END = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
/** Length of the directory's end, and of the longest comment that may follow. */
const END_LENGTH = 22;
const LONGEST_COMMENT = 0xffff;

/** The entries of a zip file. Throws `ModelError` where it is none, is cut, or has compressed entries. */
export async function readZipDirectory(path: string): Promise<ZipEntry[]> {
  const { file, stats } = await openRegular(path, BUNDLE);
  try {
    const { size } = stats;
    const tail = await readAt(file, Math.max(0, size - END_LENGTH - LONGEST_COMMENT), size);
    const at = lastSignature(tail);
    if (at < 0) throw notABundle(path, 'it is not a zip file, or its end is missing');
    const count = tail.readUInt16LE(at + 10);
    const start = tail.readUInt32LE(at + 16);
    const end = start + tail.readUInt32LE(at + 12);
    if (end > size) throw notABundle(path, 'its directory is damaged');
    return parseDirectory(await readAt(file, start, end), count, path);
  } finally {
    await file.close();
  }
}

/** The bytes of a stored entry. */
export async function* entryBytes(
  path: string,
  { offset, bytes }: ZipEntry,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { file } = await openRegular(path, BUNDLE);
  try {
    const header = await readAt(file, offset, offset + 30);
    if (header.length < 30) throw notABundle(path, 'it ends early');
    const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
    for await (const chunk of readUpTo(file, bytes, start)) {
      throwIfAborted(signal);
      yield chunk;
    }
  } finally {
    await file.close();
  }
}

function lastSignature(tail: Buffer): number {
  for (let at = tail.length - END_LENGTH; at >= 0; at--)
    if (tail.readUInt32LE(at) === DIRECTORY_END) return at;
  return -1;
}

function parseDirectory(directory: Buffer, count: number, path: string): ZipEntry[] {
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== DIRECTORY_ENTRY) {
      throw notABundle(path, 'its directory is damaged');
    }
    const nameLength = directory.readUInt16LE(at + 28);
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
    if (directory.readUInt16LE(at + 10) !== 0) throw notABundle(path, `${name} is compressed`);
    entries.push({
      path: name,
      bytes: directory.readUInt32LE(at + 24),
      offset: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

async function readAt(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
  return buffer.subarray(0, bytesRead);
}

/** The error of a file that is not what `bundleEncoder` writes. */
export function notABundle(path: string, why: string): ModelError {
  return new ModelError(`${path} is not a bundle of an encoder: ${why}`, {
    code: 'encoder/bundle',
    hint: 'Make a bundle with: tip-adapter encoders bundle <name> <file>',
    details: { path },
  });
}
