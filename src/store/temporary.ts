import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';
import { isAlive, thisProcess } from './owner.ts';
import { isAnswered } from './sign-of-life.ts';

/** The part of a temporary name that identifies its process, with a random part. */
export type Stamp = string;

export function newStamp(): Stamp {
  return `${thisProcess()}-${randomBytes(6).toString('hex')}`;
}

/** A name for a temporary file. If its process dies, the next process that writes into the folder removes the file. */
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

/** Removes a folder, if it exists. It is renamed first, so that other processes never see a part of it. */
export async function removeFolder(path: string): Promise<void> {
  const aside = join(dirname(path), temporaryName());
  await rename(path, aside).catch((error) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
  await rm(aside, { recursive: true, force: true });
}

/** Whether the process with this stamp still runs and works in the folder; undefined if the system cannot tell. */
export async function isAtWork(folder: string, stamp: Stamp): Promise<boolean | undefined> {
  const owner = STAMP.exec(stamp)?.[1];
  if (owner === undefined) return undefined;
  return isAlive(owner) ?? (await isAnswered(folder, temporaryName(stamp, 'sock')));
}

const STAMP = /^([0-9a-f]+-\d+-\d+-\d+)-[0-9a-f]+$/;
const NAME = /^\.tip-adapter-(.+)\.(?:tmp|sock)$/;

/** Whether a file has the name of a temporary one, whose writer works or was killed. */
export function isTemporary(name: string): boolean {
  return NAME.test(name);
}

/** Milliseconds without a change after which a temporary file is abandoned, if the system cannot tell whether its process runs. */
const ABANDONED = 600_000;
/** Shortest interval between two searches of a folder, in milliseconds, because folders may be large. */
const AGAIN = 60_000;
const looked = new Map<string, number>();

/** Removes the temporary files in a folder whose processes have ended. Never throws. */
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

/** Whether a temporary file was changed lately. Folders always count as fresh, because changes inside do not change their own date. */
async function isFresh(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && (found.isDirectory() || Date.now() - found.mtimeMs < ABANDONED);
}
