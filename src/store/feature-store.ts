import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DataError, InterruptedError, systemCode } from '../errors.ts';
import { flush } from './atomic.ts';
import { ENTRY_WORDS, entryOf, KeyTable } from './key-table.ts';
import { withLock } from './lock.ts';

/**
 * Stores bytes under keys of 16 bytes, in two files that only grow: `features.data` holds the values one after the other, and
 * `features.index` holds an entry of 32 bytes for each value. Processes write in turn. The files are not trusted: each entry has a
 * checksum, the caller adds a checksum to each value, and unfinished writes of killed processes are skipped.
 */
export interface FeatureStore {
  /** Reads the entries that other processes have written since the last call. */
  refresh(): void;
  get(key: Buffer): Buffer | undefined;
  /** Writes entries. Resolves when all are flushed to the disk, and rejects if that fails. */
  putAll(entries: readonly (readonly [key: Buffer, value: Buffer])[]): Promise<void>;
  clear(): Promise<void>;
  stats(): { entries: number; bytes: number };
  close(): Promise<void>;
}

const LEGACY = ['features.mdb', 'features.mdb-lock', 'features.closed'];
const ENTRY = 4 * ENTRY_WORDS;
/** Number of bytes of the index that are read at a time. */
const CHUNK = 2 ** 20;
/** How long to wait for another process that writes, in milliseconds. */
const PATIENCE = 20_000;

/** Opens the store in a folder, which is made at the first write. Throws if it cannot be opened. */
export function openFeatureStore(folder: string): FeatureStore {
  const paths = [join(folder, 'features.index'), join(folder, 'features.data')] as const;
  let files: { index: number; data: number; writable: boolean } | undefined;
  let table = new KeyTable();
  /** Number of bytes of the index that were read into the table. */
  let known = 0;
  const scratch = Buffer.alloc(16);
  const words = new Uint32Array(scratch.buffer, scratch.byteOffset, 4);

  function open(writable: boolean): void {
    if (files && files.writable >= writable) return;
    if (writable) mkdirSync(folder, { recursive: true });
    const flags = writable ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY;
    const opened: number[] = [];
    try {
      for (const path of paths) opened.push(openSync(path, flags));
    } catch (error) {
      opened.forEach(closeSync);
      if (!writable && systemCode(error) === 'ENOENT') return;
      throw error;
    }
    // Remove the files of an earlier version's format.
    if (writable) for (const name of LEGACY) rmSync(join(folder, name), { force: true });
    close();
    files = { index: opened[0]!, data: opened[1]!, writable };
  }

  function close(): void {
    if (files) for (const file of [files.index, files.data]) closeSync(file);
    files = undefined;
  }

  function refresh(): void {
    open(false);
    if (!files) return;
    const size = wholeEntries(fstatSync(files.index).size);
    if (size < known) forget();
    const chunk = Buffer.alloc(Math.min(CHUNK, size - known));
    while (known < size) {
      const read = wholeEntries(readSync(files.index, chunk, 0, Math.min(chunk.length, size - known), known));
      if (read === 0) return;
      table.add(new Uint32Array(chunk.buffer, chunk.byteOffset, read / 4));
      known += read;
    }
  }

  function forget(): void {
    table = new KeyTable();
    known = 0;
  }

  function find(key: Buffer) {
    scratch.set(key);
    return table.find(words);
  }

  let last: Promise<unknown> = Promise.resolve();

  /** Changes the files while no other process and no other caller does, then flushes them. */
  function inTurn(change: (index: number, data: number) => void): Promise<void> {
    const changed = last.then(async () => {
      const work = async () => {
        open(true);
        const { index, data } = files as { index: number; data: number };
        change(index, data);
        return [index, data];
      };
      const lock = join(folder, 'features.lock');
      const written = await withLock(lock, work, AbortSignal.timeout(PATIENCE)).catch(tellBusy);
      await Promise.all(written.map((file) => flush(file)));
    });
    last = changed.catch(() => {});
    return changed;
  }

  refresh();
  return {
    refresh,
    get(key) {
      const place = find(key);
      if (!place || !files) return undefined;
      const value = Buffer.allocUnsafe(place.length);
      const read = readSync(files.data, value, 0, place.length, place.offset);
      return read === place.length ? value : undefined;
    },
    putAll: (entries) =>
      inTurn((index, data) => {
        let offset = fstatSync(data).size;
        const made = entries.map(([key, { length }]) => {
          scratch.set(key);
          const entry = entryOf(words, { offset, length });
          offset += length;
          return Buffer.from(entry.buffer);
        });
        writeAll(data, Buffer.concat(entries.map(([, value]) => value)), fstatSync(data).size);
        writeAll(index, Buffer.concat(made), wholeEntries(fstatSync(index).size));
        refresh();
      }),
    clear: () =>
      inTurn((index, data) => {
        ftruncateSync(index);
        ftruncateSync(data);
        forget();
      }),
    stats: () => ({
      entries: table.size,
      bytes: files ? fstatSync(files.index).size + fstatSync(files.data).size : 0,
    }),
    async close() {
      await last;
      close();
    },
  };
}

function tellBusy(error: unknown): never {
  if (!(error instanceof InterruptedError)) throw error;
  throw new DataError('another program keeps writing to it', { code: 'cache/busy', cause: error });
}

/** Length of the whole entries: a killed process may have left a part of one at the end. */
const wholeEntries = (bytes: number) => bytes - (bytes % ENTRY);

function writeAll(file: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
  }
}
