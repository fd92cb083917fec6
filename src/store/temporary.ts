import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';
import { isAlive, thisProcess } from './owner.ts';
import { isAnswered } from './sign-of-life.ts';

/** What stands in the name of everything temporary: whose it is, and a random part. */
export type Stamp = string;

export function newStamp(): Stamp {
  return `${thisProcess()}-${randomBytes(6).toString('hex')}`;
}

/** A name for what is only needed for a moment. Whoever writes into its folder next removes what a process left that died. */
export function temporaryName(stamp: Stamp = newStamp(), ending: 'tmp' | 'sock' = 'tmp'): string {
  return `.tip-adapter-${stamp}.${ending}`;
}

/** Runs `work` with an empty folder that only this user can read and that is removed afterwards. */
export async function inTemporaryFolder<T>(
  work: (folder: string) => Promise<T>,
  parent = tmpdir(),
): Promise<T> {
  await removeAbandoned(parent);
  const folder = join(parent, temporaryName());
  await mkdir(folder, { mode: 0o700 });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes a folder, if it is there, so that no part of it is ever seen without the others. */
export async function removeFolder(path: string): Promise<void> {
  const aside = join(dirname(path), temporaryName());
  await rename(path, aside).catch((error) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
  await rm(aside, { recursive: true, force: true });
}

/** Whether the process still runs that works in a folder under this stamp; undefined where the system cannot tell. */
export async function isAtWork(folder: string, stamp: Stamp): Promise<boolean | undefined> {
  const owner = STAMP.exec(stamp)?.[1];
  if (owner === undefined) return undefined;
  return isAlive(owner) ?? (await isAnswered(folder, temporaryName(stamp, 'sock')));
}

const STAMP = /^([0-9a-f]+-\d+-\d+-\d+)-[0-9a-f]+$/;
const NAME = /^\.tip-adapter-(.+)\.(?:tmp|sock)$/;

/** A temporary file untouched for so long is no one's, where the system cannot say whether its process still runs. */
const ABANDONED = 600_000;
/** A folder is looked through at most this often, for it may be a large one. */
const AGAIN = 60_000;
const looked = new Map<string, number>();

/** Removes the temporary files in a folder that belong to no process any more. Never throws. */
export async function removeAbandoned(folder: string): Promise<void> {
  const now = performance.now();
  if (now - (looked.get(folder) ?? Number.NEGATIVE_INFINITY) < AGAIN) return;
  looked.set(folder, now);
  for (const name of await readdir(folder).catch(() => [])) {
    const stamp = NAME.exec(name)?.[1];
    if (stamp === undefined) continue;
    const path = join(folder, name);
    if ((await isAtWork(folder, stamp)) ?? (await isFresh(path))) continue;
    await rm(path, { force: true, recursive: true }).catch(() => {});
  }
}

/** A folder that grows inside looks old outside: those of unknown processes are left to the system. */
async function isFresh(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && (found.isDirectory() || Date.now() - found.mtimeMs < ABANDONED);
}
