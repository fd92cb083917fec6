import type { FileHandle } from 'node:fs/promises';
import { promisify, TextDecoder } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { type Abortable, giveWay } from '../abort.ts';
import { DataError, throwIfAborted, UsageError } from '../errors.ts';
import { count, number } from '../words.ts';
import { openRegular, readUpTo } from './regular.ts';
import {
  decodeName,
  type Fail,
  locateDirectory,
  parseDirectory,
  type ReadAt,
  type ZipRecord,
} from './zip-directory.ts';

/** A zip whose files are read one by one. The zip is open only during reads. */
export interface Zip {
  /** Regular files with safe names (relative, with forward slashes: `folder/name`), in the zip's order; sizes are uncompressed, in bytes. */
  readonly entries: readonly { name: string; size: number }[];
  /** Folders that have an entry of their own, without the final slash. An empty folder appears only here. */
  readonly folders: readonly string[];
  /** Entries that were left out, with a short reason: unsafe names, links, encrypted files, unknown compression, zip bombs. */
  readonly skipped: readonly { name: string; reason: string }[];
  /** Names, of files and folders, that are in an unknown encoding and are read as code page 437. */
  readonly guessed: readonly string[];
  /** The bytes of one file. Throws `DataError` `zip/…` if it is damaged or not in `entries`. */
  read(name: string): Promise<Uint8Array>;
  /** The same bytes in pieces, for a file that is stored without compression and may be larger than memory. */
  chunks(name: string, signal?: AbortSignal): AsyncGenerator<Uint8Array>;
  /** Positions in the zip of the bytes of files that are stored without compression, by name. Compressed files are absent. */
  positions(names: Iterable<string>): Promise<Map<string, number>>;
}

export interface ZipLimits extends Abortable {
  /** Files in the zip. */
  mostEntries?: number;
  /** Bytes of all files, uncompressed. */
  mostBytes?: number;
  /** Bytes of one file, uncompressed. */
  mostEntryBytes?: number;
  /** Uncompressed over compressed bytes, of files over a megabyte. */
  mostRatio?: number;
  /** Encoding of names that are not in UTF-8, such as `shift_jis` or `gbk` (the labels of https://encoding.spec.whatwg.org). */
  encoding?: string;
}

type Limits = Required<Omit<ZipLimits, 'signal' | 'encoding'>>;

const LIMITS: Limits = {
  mostEntries: 1_000_000,
  mostBytes: 2 ** 36,
  mostEntryBytes: 2 ** 29,
  mostRatio: 250,
};

const inflate = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw);

/**
 * Opens a zip (zip64 included) by its central directory; only the files that are read are in memory. `called` is its name in messages.
 * Throws `DataError` `zip/…` if the file is not a zip, is truncated or exceeds a limit, and as `openRegular` (`zip/missing`,
 * `zip/unreadable`).
 */
export async function openZip(path: string, limits: ZipLimits = {}, called = path): Promise<Zip> {
  const fail: Fail = (code, what) => {
    throw new DataError(`${called} cannot be read as a zip: ${what}`, {
      code: `zip/${code}`,
      hint: 'It may be truncated or damaged. Make it again, or unpack it and give the folder.',
      details: { path: called },
    });
  };
  const all = { ...LIMITS, ...limits };
  const decoder = limits.encoding === undefined ? undefined : decoderOf(limits.encoding);
  const found = await reading(path, fail, async (readAt, size) => {
    const directory = await locateDirectory(readAt, size, fail);
    if (directory.count > all.mostEntries)
      fail(
        'too-many',
        `it has ${count(directory.count, 'entry', 'entries')}, but at most ${number(all.mostEntries)} are read`,
      );
    const records = parseDirectory(await readAt(directory.start, directory.length), directory, fail);
    await giveWay(limits.signal);
    const sifted = sift(records, size, all, fail, decoder);
    await giveWay(limits.signal);
    return sifted;
  });
  const { files, folders, skipped, guessed } = found;
  const recordOf = (name: string) => files.get(name) ?? fail('no-entry', `it has no "${name}"`);
  return {
    entries: [...files].map(([name, record]) => ({ name, size: record.size })),
    folders,
    skipped,
    guessed,
    read: async (name) => {
      const record = recordOf(name);
      return reading(path, fail, (readAt) => readRecord(readAt, name, record, fail));
    },
    async *chunks(name, signal) {
      const record = recordOf(name);
      if (record.method !== STORED) fail('compressed', `"${name}" is compressed`);
      const start = await reading(path, fail, (readAt) => startOf(readAt, name, record, fail));
      let [length, crc] = [0, 0];
      const { file } = await openRegular(path, { area: 'zip' });
      for await (const chunk of readUpTo(file, record.size, start)) {
        throwIfAborted(signal);
        length += chunk.length;
        crc = crc32(chunk, crc);
        yield chunk;
      }
      if (length !== record.size || crc !== record.crc) fail('damaged', `"${name}" is damaged`);
    },
    positions: (names) =>
      reading(path, fail, async (readAt, size) => {
        const positions = new Map<string, number>();
        for (const name of names) {
          const record = recordOf(name);
          if (record.method !== STORED) continue;
          const start = await startOf(readAt, name, record, fail);
          if (start + record.size > size) fail('truncated', 'a part of it is missing');
          positions.set(name, start);
        }
        return positions;
      }),
  };
}

/** The decoder of an encoding, which refuses other bytes. Throws `UsageError` for an unknown one. */
function decoderOf(encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new UsageError(`There is no encoding "${encoding}"`, {
      code: 'option/value',
      hint: 'Encodings are shift_jis, euc-jp, gbk, big5, euc-kr, windows-1251, cp866 and others.',
      details: { option: 'zipEncoding', value: encoding },
      cause,
    });
  }
}

/** Opens the file for the duration of `work`. */
async function reading<T>(
  path: string,
  fail: Fail,
  work: (readAt: ReadAt, size: number) => Promise<T>,
): Promise<T> {
  const { file, stats } = await openRegular(path, { area: 'zip' });
  try {
    const { size } = stats;
    return await work((position, length) => readExactly(file, position, length, size, fail), size);
  } finally {
    await file.close();
  }
}

async function readExactly(
  file: FileHandle,
  position: number,
  length: number,
  size: number,
  fail: Fail,
): Promise<Buffer> {
  if (position < 0 || length < 0 || position + length > size)
    return fail('truncated', 'a part of it is missing');
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytesRead === length ? bytes : fail('truncated', 'it became shorter while it was read');
}

/** Separates the files that may be read, by name, from those left out, with reasons. */
function sift(records: ZipRecord[], fileSize: number, limits: Limits, fail: Fail, decoder?: TextDecoder) {
  const files = new Map<string, ZipRecord>();
  const folders: string[] = [];
  const skipped: { name: string; reason: string }[] = [];
  const guessed: string[] = [];
  let total = 0;
  let end = 0;
  for (const record of [...records].sort((a, b) => a.offset - b.offset)) {
    // Zip bombs let files share their bytes, so that a small zip unpacks to a petabyte.
    if (record.offset < end) fail('overlap', 'its files overlap');
    end = record.offset + LOCAL_HEADER + record.compressedSize;
    if (end > fileSize) fail('truncated', 'a part of it is missing');
  }
  for (const record of records) {
    const { name, isGuessed } = decodeName(record, decoder);
    if (isGuessed) guessed.push(name);
    if (name.endsWith('/') && !refusalOf(name, record, limits)) {
      folders.push(name.slice(0, -1));
      continue;
    }
    const reason = files.has(name) ? 'a name that appears twice' : refusalOf(name, record, limits);
    if (reason) {
      skipped.push({ name, reason });
      continue;
    }
    total += record.size;
    if (total > limits.mostBytes)
      fail('too-large', `it unpacks to more than ${count(limits.mostBytes, 'byte')}`);
    files.set(name, record);
  }
  return { files, folders, skipped, guessed };
}

function refusalOf(name: string, record: ZipRecord, limits: Limits): string | undefined {
  const { size, compressedSize } = record;
  if (name === '' || name.includes('\0')) return 'a name that is not valid';
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) return 'an absolute name';
  if (name.split('/').includes('..')) return 'a name that leads outside';
  if (record.isLink) return 'a link';
  if (record.isEncrypted || record.method === AES) return 'encrypted';
  if (record.method !== STORED && record.method !== DEFLATED) {
    const known = METHODS.get(record.method);
    return `compressed by ${known ? `${known} (method ${record.method})` : `method ${record.method}`}, which is not read`;
  }
  if (record.method === STORED && size !== compressedSize) return 'sizes that disagree';
  if (size > limits.mostEntryBytes) return `larger than ${count(limits.mostEntryBytes, 'byte')}`;
  if (size > 1e6 && size > limits.mostRatio * compressedSize)
    return `compressed to less than 1/${limits.mostRatio} of its size`;
  return undefined;
}

const STORED = 0;
const DEFLATED = 8;
const AES = 99;

/** Compression methods that are not read (APPNOTE 6.3, section 4.4.5). */
const METHODS = new Map([
  [1, 'Shrink'],
  [6, 'Implode'],
  [9, 'Deflate64'],
  [12, 'bzip2'],
  [14, 'LZMA'],
  [20, 'Zstandard'],
  [93, 'Zstandard'],
  [94, 'MP3'],
  [95, 'XZ'],
  [96, 'JPEG'],
  [97, 'WavPack'],
  [98, 'PPMd'],
]);

const LOCAL_HEADER = 30;

/** Position of an entry's bytes, after its local header. */
async function startOf(readAt: ReadAt, name: string, record: ZipRecord, fail: Fail): Promise<number> {
  const header = await readAt(record.offset, LOCAL_HEADER);
  if (header.readUInt32LE(0) !== 0x04034b50) fail('damaged', `the local header of "${name}" is missing`);
  return record.offset + LOCAL_HEADER + header.readUInt16LE(26) + header.readUInt16LE(28);
}

async function readRecord(readAt: ReadAt, name: string, record: ZipRecord, fail: Fail): Promise<Uint8Array> {
  const stored = await readAt(await startOf(readAt, name, record, fail), record.compressedSize);
  const bytes = record.method === STORED ? stored : await unpack(name, stored, record.size, fail);
  if (bytes.length !== record.size || crc32(bytes) !== record.crc) fail('damaged', `"${name}" is damaged`);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

async function unpack(name: string, stored: Buffer, size: number, fail: Fail): Promise<Buffer> {
  try {
    return await inflate(stored, { maxOutputLength: Math.max(size, 1) });
  } catch {
    return fail('damaged', `"${name}" is damaged`);
  }
}
