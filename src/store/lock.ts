import { hash } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode, throwIfAborted } from '../errors.ts';
import { diskError, flush } from './atomic.ts';
import { readRegular, unlessMissing } from './regular.ts';
import { signOfLife } from './sign-of-life.ts';
import { isAtWork, newStamp, removeAbandoned, type Stamp, temporaryName } from './temporary.ts';

/** The holder touches its lock this often. One untouched for several times as long is no one's, where nothing else tells. */
const BEAT = 5_000;
const STALE = 30_000;
/** An empty lock is about to be filled, where a file system cannot make it with its content. */
const FILLING = 2_000;
const POLL = 100;

/** More bytes than any lock has. */
const LONGEST_STAMP = 4096;

/** A lock that is held until it is released. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Runs `work` while no other process (or other caller in this one) runs work under the same lock file. A lock whose
 * process died is taken over. Throws `InterruptedError` while waiting, `DataError` where the file cannot be made.
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

/** The lock where no one holds it; undefined where someone does. Throws `DataError` where the file cannot be made. */
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

/** Locks that this process had: one that could not be removed is no one's, though its process lives. */
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
  // Written, not touched: that a file system of another machine dates with its own clock.
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
      // After a long sleep of the machine the lock may be another's.
      const holder = await contentOf(path).catch(() => undefined);
      if (holder === stamp) await rm(path, { force: true }).catch(() => {});
      await endSign();
    },
  };
}

/** Makes the lock and what stands in it at once; undefined where another was faster. */
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
    // Many file systems have no links: there the lock is empty for a moment.
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

/** Whether no one holds a lock any more in which this stands. */
async function isAbandoned(path: string, content: string): Promise<boolean> {
  if (released.has(content)) return true;
  const held = await isAtWork(dirname(path), content);
  if (held !== undefined) return !held;
  return (await ageOf(path)) > (content === '' ? FILLING : STALE);
}

/** Milliseconds since a file was written, by the clock that dates the files of its folder. */
async function ageOf(path: string): Promise<number> {
  const now = join(dirname(path), temporaryName());
  try {
    await writeFile(now, '');
    return (await stat(now)).mtimeMs - (await stat(path)).mtimeMs;
  } finally {
    await rm(now, { force: true });
  }
}

/**
 * Removes an abandoned lock; false where someone else does so. They take turns, under a lock of their own: else one that is slow
 * could remove what another has made in its place.
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

/** Removes what is left of the turn of a process that died in it. */
async function endTurn(path: string): Promise<void> {
  if ((await contentOf(turnOf(path))) !== undefined) await (await takeLock(turnOf(path)))?.release();
}
