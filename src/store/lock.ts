import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode, throwIfAborted } from '../errors.ts';
import { diskError } from './atomic.ts';

/** The holder touches its lock this often; one untouched for several times as long belongs to no one any more. */
const BEAT = 5_000;
const STALE = 30_000;
const POLL = 100;

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

/** What stands in the locks that this process holds. */
const ours = new Set<string>();

/** The lock where no one holds it; undefined where someone does. Throws `DataError` where the file cannot be made. */
export async function takeLock(path: string): Promise<Lock | undefined> {
  // The random part tells this lock from the next one of the same process.
  const owner = `${process.pid} ${hostname()} ${randomBytes(6).toString('hex')}`;
  ours.add(owner);
  try {
    await mkdir(dirname(path), { recursive: true });
    if (!(await create(path, owner))) {
      const gone = await staleOwner(path);
      if (gone !== undefined) await takeAway(path, gone);
      if (gone === undefined || !(await create(path, owner))) {
        ours.delete(owner);
        return undefined;
      }
    }
  } catch (error) {
    ours.delete(owner);
    throw diskError(error, path);
  }
  return held(path, owner);
}

function held(path: string, owner: string): Lock {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, BEAT);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      // After a long sleep of the machine the lock may be another's.
      const holder = await readFile(path, 'utf8').catch(() => undefined);
      if (holder === owner) await rm(path, { force: true }).catch(() => {});
      ours.delete(owner);
    },
  };
}

async function create(path: string, owner: string): Promise<boolean> {
  try {
    await writeFile(path, owner, { flag: 'wx' });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** What stands in a lock that no one holds any more. */
async function staleOwner(path: string): Promise<string | undefined> {
  try {
    const [owner, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    const [pid, host] = owner.split(' ');
    // A restarted container gives the same number to the same program: what this process does not know is a dead one's.
    const isOther = Number(pid) !== process.pid;
    const dead = host === hostname() && !(isOther ? isAlive(Number(pid)) : ours.has(owner));
    return dead || Date.now() - mtimeMs > STALE ? owner : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/** Removes a stale lock, but not one that another waiter made after it removed the stale one first. */
async function takeAway(path: string, owner: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== owner) await link(aside, path).catch(() => {});
    await rm(aside, { force: true });
  } catch {
    // Another waiter was faster; the next look at the lock tells.
  }
}
