import type { FileHandle } from 'node:fs/promises';
import { Header, Pax } from 'tar';
import { type Abortable, giveWay } from '../abort.ts';
import { DataError } from '../errors.ts';
import { count, number } from '../words.ts';
import { isGzip, unpackGzip } from './gunzip.ts';
import { openRegular } from './regular.ts';

/** A tar archive whose files are read one by one. Its file is open only while something is read. */
export interface Tar {
  /** Regular files with safe names (`folder/name`, forward slashes, relative), in the archive's order. */
  readonly entries: readonly { name: string; size: number }[];
  /** Entries that were left out, each with the reason in a few words. */
  readonly skipped: readonly { name: string; reason: string }[];
  /** The bytes of one file. Throws `DataError` `tar/…` if the archive has become shorter or has no such file. */
  read(name: string): Promise<Uint8Array>;
}

export interface TarLimits extends Abortable {
  /** Files in the archive. */
  mostEntries?: number;
  /** Bytes of one file. */
  mostEntryBytes?: number;
}

const BLOCK = 512;
/** Bytes that are read at once while the headers are listed. Small files between two headers cost no read of their own. */
const WINDOW = 2 ** 18;
/** Files up to this size in bytes are kept when the archive is listed, because the notes beside pictures are read one after the other. */
const KEPT = 2 ** 12;
/** Bytes of the extended headers and long names of one file. */
const MOST_EXTENDED = 2 ** 20;

type Fail = (code: string, what: string) => never;

interface Place {
  offset: number;
  size: number;
  bytes?: Uint8Array;
}

/**
 * Lists a tar archive (ustar, GNU and pax headers) by jumping from header to header. The files' own bytes are read only when they are
 * needed. An archive that is compressed by gzip is unpacked into a temporary file. `called` is its name in messages. Throws `DataError`
 * `tar/…` if it is not a tar archive, is cut short or exceeds a limit, and as `openRegular` (`tar/missing`, `tar/unreadable`).
 */
export async function openTar(
  given: string,
  { mostEntries = 10_000_000, mostEntryBytes = 2 ** 29, signal }: TarLimits = {},
  called = given,
): Promise<Tar> {
  const fail: Fail = (code, what) => {
    throw new DataError(`${called} cannot be read as a tar archive: ${what}`, {
      code: `tar/${code}`,
      hint: 'It may be cut short or damaged. Download or make it again, or unpack it and give the folder.',
      details: { path: called },
    });
  };
  const path = await tarOf(given, fail, signal);
  const places = new Map<string, Place>();
  const skipped: { name: string; reason: string }[] = [];
  const { file, stats } = await openRegular(path, { area: 'tar' });
  try {
    const window = new Window(file, stats.size);
    let extended: Extended = {};
    let at = 0;
    for (let n = 0; at + BLOCK <= stats.size; n++) {
      if (n % 1000 === 0) await giveWay(signal);
      const header = new Header(Buffer.from(await window.read(at, BLOCK)), 0, extended.own, extended.all);
      if (header.nullBlock) break;
      if (!header.cksumValid) fail('damaged', `there is no valid header at byte ${number(at)}`);
      const [offset, size] = [at + BLOCK, header.size ?? 0];
      at = offset + Math.ceil(size / BLOCK) * BLOCK;
      if (size < 0 || offset + size > stats.size) fail('truncated', 'a part of it is missing');
      if (EXTENDED.has(header.type)) {
        if (size > MOST_EXTENDED) fail('damaged', 'an extended header is too large');
        extended = extend(extended, header.type, Buffer.from(await window.read(offset, size)).toString());
        continue;
      }
      extended = { all: extended.all };
      if (header.type === 'Directory' || header.type === 'GNUDumpDir') continue;
      const name = (header.path ?? '').replace(/^(\.\/)+/, '');
      const reason = places.has(name)
        ? 'a name that appears twice'
        : refusalOf(name, header.type, size, mostEntryBytes);
      if (reason) skipped.push({ name, reason });
      else
        places.set(name, { offset, size, ...(size <= KEPT && { bytes: await window.read(offset, size) }) });
      if (places.size > mostEntries)
        fail('too-many', `it has more than ${count(mostEntries, 'file')}, the most that are read`);
    }
    if (places.size === 0 && skipped.length === 0) fail('damaged', 'it holds no file');
  } finally {
    await file.close();
  }
  return {
    entries: [...places].map(([name, { size }]) => ({ name, size })),
    skipped,
    async read(name) {
      const place = places.get(name) ?? fail('no-entry', `it has no "${name}"`);
      if (place.bytes) return place.bytes;
      const opened = await openRegular(path, { area: 'tar' });
      try {
        const bytes = new Uint8Array(place.size);
        const { bytesRead } = await opened.file.read(bytes, 0, place.size, place.offset);
        return bytesRead === place.size ? bytes : fail('truncated', 'it became shorter while it was read');
      } finally {
        await opened.file.close();
      }
    },
  };
}

/** The path of the archive, or of its unpacked bytes. */
async function tarOf(path: string, fail: Fail, signal?: AbortSignal): Promise<string> {
  const { file } = await openRegular(path, { area: 'tar' });
  await file.close();
  return (await isGzip(path)) ? unpackGzip(path, fail, signal) : path;
}

/** The contents of extended headers: for the next file, and for all that follow. */
interface Extended {
  own?: Pax | { path: string };
  all?: Pax;
}

const EXTENDED = new Set<string>([
  'ExtendedHeader',
  'OldExtendedHeader',
  'GlobalExtendedHeader',
  'NextFileHasLongPath',
  'OldGnuLongPath',
  'NextFileHasLongLinkpath',
]);

function extend({ own, all }: Extended, type: string, body: string): Extended {
  if (type === 'GlobalExtendedHeader') return { own, all: Pax.parse(body, all, true) };
  if (type === 'NextFileHasLongLinkpath') return { own, all };
  if (type.endsWith('LongPath')) return { own: { ...own, path: body.replace(/\0.*$/s, '') }, all };
  return { own: Pax.parse(body, own, false), all };
}

function refusalOf(name: string, type: string, size: number, most: number): string | undefined {
  if (name === '' || name.includes('\0')) return 'a name that is not valid';
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) return 'an absolute name';
  if (name.split('/').includes('..')) return 'a name that leads outside';
  if (type === 'Link' || type === 'SymbolicLink') return 'a link';
  if (type !== 'File' && type !== 'OldFile' && type !== 'ContiguousFile') return 'not a regular file';
  return size > most ? `larger than ${count(most, 'byte')}` : undefined;
}

/** Reads a file forwards through one buffer. */
class Window {
  readonly #file: FileHandle;
  readonly #size: number;
  #start = 0;
  #bytes = new Uint8Array();

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** A copy of the bytes from `start` on, which lie in the file. */
  async read(start: number, length: number): Promise<Uint8Array> {
    if (start < this.#start || start + length > this.#start + this.#bytes.length) {
      const bytes = new Uint8Array(Math.min(Math.max(WINDOW, length), this.#size - start));
      const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, start);
      this.#start = start;
      this.#bytes = bytes.subarray(0, bytesRead);
    }
    return this.#bytes.slice(start - this.#start, start - this.#start + length);
  }
}
