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

/**
 * Runs `work` while no other process (or other caller in this one) runs work under the same lock file. A lock whose
 * process died is taken over. Throws `InterruptedError` while waiting, `DataError` where the file cannot be made.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const owner = await acquire(path, signal);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, BEAT);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    // After a long sleep of the machine the lock may be another's.
    const holder = await readFile(path, 'utf8').catch(() => undefined);
    if (holder === owner) await rm(path, { force: true }).catch(() => {});
  }
}

/** Makes the lock as soon as no one holds it; returns what stands in it. */
async function acquire(path: string, signal?: AbortSignal): Promise<string> {
  // The random part tells this lock from the next one of the same process.
  const owner = `${process.pid} ${hostname()} ${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    while (!(await create(path, owner))) {
      throwIfAborted(signal);
      const gone = await staleOwner(path);
      if (gone !== undefined) await takeAway(path, gone);
      else await sleep(POLL, undefined, { signal }).catch(() => throwIfAborted(signal));
    }
    return owner;
  } catch (error) {
    throw diskError(error, path);
  }
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
    const dead = host === hostname() && !isAlive(Number(pid));
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
