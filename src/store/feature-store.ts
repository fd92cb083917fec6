import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Bytes under keys of 16 bytes in an LMDB file. Everything but `close` is synchronous: a commit takes milliseconds. */
export interface FeatureStore {
  /** A buffer of its own. (LMDB can lend its shared one instead, whose `length` newer Node versions do not honour.) */
  get(key: Buffer): Buffer | undefined;
  /** All or nothing, on the disk when it returns. Throws where that fails. */
  putAll(entries: [key: Buffer, value: Buffer][]): void;
  /** Something in the file is damaged: the next opening tries it out. */
  distrust(): void;
  clear(): void;
  stats(): { entries: number; bytes: number };
  close(): Promise<void>;
}

/** Opens the store in a folder. Throws where that fails; a damaged store is removed first, which `onWarning` is told. */
export function openFeatureStore(folder: string, onWarning: (message: string) => void): FeatureStore {
  const path = join(folder, 'features.mdb');
  const stamp = join(folder, 'features.closed');
  mkdirSync(folder, { recursive: true });
  if (existsSync(path) && stampOf(path) !== readStamp(stamp) && isDamaged(path)) {
    for (const file of [path, `${path}-lock`]) rmSync(file, { force: true });
    onWarning(`The feature cache in ${folder} was damaged and begins anew.`);
  }
  // Loaded when needed, so that a platform without LMDB's binary can still do without the cache.
  const { open } = createRequire(import.meta.url)('lmdb') as typeof import('lmdb');
  const database = open<Buffer, Buffer>({
    path,
    encoding: 'binary',
    keyEncoding: 'binary',
    noMemInit: true,
    // Flushing beside the next commit makes a process hang that exits in the turn of a synchronous write.
    overlappingSync: false,
  });
  let trusted = true;
  const quietly = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch {
      return undefined;
    }
  };
  return {
    get: (key) => quietly(() => database.getBinary(key)),
    putAll: (entries) => {
      try {
        database.transactionSync(() => {
          for (const [key, value] of entries) database.put(key, value);
        });
      } catch (error) {
        trusted = false;
        throw error;
      }
    },
    distrust: () => {
      trusted = false;
    },
    clear: () => database.clearSync(),
    stats: () => {
      const { entryCount } = database.getStats() as { entryCount: number };
      return { entries: entryCount, bytes: statSync(path).size };
    },
    close: async () => {
      // Closing hangs, too, in the turn of a synchronous write.
      await new Promise(setImmediate);
      await database.close();
      quietly(() => (trusted ? writeFileSync(stamp, stampOf(path)) : rmSync(stamp)));
    },
  };
}

/** What changes whenever LMDB writes to its file. */
function stampOf(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${size} ${mtimeMs}`;
}

function readStamp(stamp: string): string | undefined {
  try {
    return readFileSync(stamp, 'utf8');
  } catch {
    return undefined;
  }
}

/** Writes once, which uses the list of free pages, and reads everything, or what can be read in some seconds. */
const TRY_OUT = `
const [lmdb, path] = process.argv.slice(1);
const database = require(lmdb).open({ path, encoding: 'binary', keyEncoding: 'binary', overlappingSync: false });
const key = Buffer.from('try-out');
database.transactionSync(() => database.put(key, Buffer.alloc(20000)));
database.removeSync(key);
const end = Date.now() + 5000;
let missing = database.getStats().entryCount;
for (const { key } of database.getRange()) {
  if (key.length !== 16) throw new Error('MDB_CORRUPTED: a key of another length');
  if (Date.now() > end) process.exit(0);
  missing--;
}
if (missing !== 0) throw new Error('MDB_CORRUPTED: another number of entries');
process.exit(0);`;

/**
 * LMDB maps its file into memory and trusts it: a file cut short or overwritten crashes the process that reads it. So a
 * file that was not closed by us since its last change (a process was killed, or is still writing) is first tried
 * out by a process that may crash.
 */
function isDamaged(path: string): boolean {
  const lmdb = createRequire(import.meta.url).resolve('lmdb');
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', TRY_OUT, lmdb, path], {
    encoding: 'utf8',
  });
  const crashed = ['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE'].includes(signal ?? '');
  // Windows has no signals: the status of a crash is an NTSTATUS error.
  const crashedOnWindows = (status ?? 0) >= 0xc0000000;
  return (
    crashed ||
    crashedOnWindows ||
    /MDB_(INVALID|CORRUPTED|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC|PROBLEM|BAD_TXN)/.test(stderr ?? '')
  );
}
