import { hash } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode, throwIfAborted } from '../errors.ts';
import { diskError, flush } from './atomic.ts';
import { readRegular, unlessMissing } from './regular.ts';
import { signOfLife } from './sign-of-life.ts';
import { isAtWork, newStamp, removeAbandoned, type Stamp, temporaryName } from './temporary.ts';

/**
 * Milliseconds between the holder's updates of its lock file. If its holder cannot be checked otherwise, a lock without updates for several
 * times as long counts as abandoned.
 */
const BEAT = 5_000;
const STALE = 30_000;
/** Milliseconds for which an empty lock counts as held: on some file systems, its maker has to fill it after making it. */
const FILLING = 2_000;
const POLL = 100;

/** Number of bytes to read of a lock file, more than any has. */
const LONGEST_STAMP = 4096;

/** A lock that this process holds until it releases it. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Runs `work` while no other process, and no other caller in this one, runs work under the same lock file. If the process that held
 * the lock has died, the lock is taken over. Throws `InterruptedError` if the signal fires while waiting, and `DataError` if the file
 * cannot be made.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  let lock = await takeLock(path);
  while (!lock) {
    throwIfAborted(signal);
    await sleep(POLL, undefined, { signal }).catch(() => throwIfAborted(signal));
    lock = await takeLock(path);
  }
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** Takes the lock if it is free; returns undefined if it is held. Throws `DataError` if the file cannot be made. */
export async function takeLock(path: string): Promise<Lock | undefined> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const found = await contentOf(path);
    if (found !== undefined) {
      if (!(await isAbandoned(path, found))) return undefined;
      if (!(await takeAway(path, found))) return undefined;
    }
    return await create(path);
  } catch (error) {
    throw diskError(error, path);
  }
}

/** Locks that this process has released. If the file of one could not be removed, it is free although its process runs. */
const released = new Set<Stamp>();

async function create(path: string): Promise<Lock | undefined> {
  const folder = dirname(path);
  await removeAbandoned(folder);
  await endTurn(path);
  const stamp = newStamp();
  const endSign = await signOfLife(folder, temporaryName(stamp, 'sock'));
  const file = await createFilled(path, stamp).catch(async (error) => {
    await endSign();
    throw error;
  });
  if (!file) {
    await endSign();
    return undefined;
  }
  // The file is written, because a network file system then dates it by the server's clock; `utimes` would use this machine's.
  const beat = setInterval(() => {
    file.write(stamp, 0).catch(() => {});
    flush(file.fd).catch(() => {});
  }, BEAT);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      released.add(stamp);
      await file.close().catch(() => {});
      // After the machine has slept for long, another process may hold the lock.
      const holder = await contentOf(path).catch(() => undefined);
      if (holder === stamp) await rm(path, { force: true }).catch(() => {});
      await endSign();
    },
  };
}

/** Makes the lock file together with its content; undefined if another process made it first. */
async function createFilled(path: string, stamp: Stamp): Promise<FileHandle | undefined> {
  const temporary = join(dirname(path), temporaryName(stamp));
  try {
    const file = await fill(temporary, stamp);
    try {
      await link(temporary, path);
      return file;
    } catch (error) {
      await file.close();
      if (systemCode(error) === 'EEXIST') return undefined;
    } finally {
      await rm(temporary, { force: true });
    }
    // On file systems without links, the lock is empty for a moment.
    return await fill(path, stamp);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return undefined;
    throw error;
  }
}

async function fill(path: string, stamp: Stamp): Promise<FileHandle> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(stamp);
    return file;
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  const bytes = await readRegular(path, { area: 'lock', limit: LONGEST_STAMP }).catch(unlessMissing);
  return bytes?.toString('utf8');
}

/** Whether a lock with this content is no longer held. */
async function isAbandoned(path: string, content: string): Promise<boolean> {
  if (released.has(content)) return true;
  const held = await isAtWork(dirname(path), content);
  if (held !== undefined) return !held;
  return (await ageOf(path)) > (content === '' ? FILLING : STALE);
}

/** Milliseconds since a file was written, by the clock of its file system; infinite if it has just been removed. */
async function ageOf(path: string): Promise<number> {
  const now = join(dirname(path), temporaryName());
  try {
    await writeFile(now, '');
    const written = (await stat(path).catch(unlessMissing))?.mtimeMs ?? Number.NEGATIVE_INFINITY;
    return (await stat(now)).mtimeMs - written;
  } finally {
    await rm(now, { force: true });
  }
}

/**
 * Removes an abandoned lock; returns false if another process does so. Processes take turns, under another lock: otherwise a slow
 * process could remove the new lock that a faster one has made.
 */
async function takeAway(path: string, content: string): Promise<boolean> {
  const turn = await takeLock(turnOf(path));
  if (!turn) return false;
  try {
    if ((await contentOf(path)) === content) await rm(path, { force: true });
    return true;
  } finally {
    await turn.release();
  }
}

const turnOf = (path: string) =>
  join(dirname(path), `.tip-adapter-${hash('sha256', basename(path)).slice(0, 12)}.turn`);

/** Removes the lock of a process that died during its turn. */
async function endTurn(path: string): Promise<void> {
  if ((await contentOf(turnOf(path))) !== undefined) await (await takeLock(turnOf(path)))?.release();
}
