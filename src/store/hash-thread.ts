import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { giveWay, onAbort, waitFor } from '../abort.ts';
import { ModelError, throwIfAborted } from '../errors.ts';
import { EXTENSION, FLAGS } from '../own-programs.ts';
import { systemError } from '../system-error.ts';
import { type Checked, checkFile } from './checksum.ts';
import { type FilePart, hashPart, type PartHash } from './hash-part.ts';
import { type FileUse, fileIdentity, openRegular } from './regular.ts';

const THREAD = new URL(`./hash-worker${EXTENSION}`, import.meta.url);

/** Smallest number of bytes that is worth a thread, whose start takes 30 ms. */
const LARGE = 2 ** 25;

/** Whether so many bytes are hashed in a thread of their own. */
export const isLarge = (bytes: number): boolean => bytes >= LARGE;

/** The exits of the threads that run. No more run at once than there are cores. */
const running = new Set<Promise<number>>();
const MOST = availableParallelism();

/** The work of the thread, which opens the file itself: in Deno, a descriptor belongs to the thread that opened it. */
export interface HashWork {
  readonly path: string;
  /** `fileIdentity` of the file. The thread hashes nothing if another file has taken its name. */
  readonly identity: string;
  readonly parts: readonly FilePart[];
}

/**
 * Hashes of parts of a file, in their order. Large parts are hashed in a thread of their own, side by side with other work of the program.
 * Throws `ModelError` `checksum/size` if the file is shorter than a part of it or is replaced meanwhile, and `checksum/thread` if the thread ends, `DataError`
 * (`disk/…`) if the file cannot be read, and as `openRegular`.
 */
export async function hashParts(
  path: string,
  parts: readonly FilePart[],
  use: FileUse,
  signal?: AbortSignal,
): Promise<PartHash[]> {
  throwIfAborted(signal);
  const { file, stats } = await openRegular(path, use);
  try {
    const inThread = isLarge(parts.reduce((sum, { length }) => sum + length, 0));
    const hashes = inThread
      ? await hashInThread({ path, identity: fileIdentity(stats), parts }, signal)
      : await hashHere(file.fd, parts, signal);
    if (typeof hashes === 'number') throw ended(path, hashes);
    return hashes.map((hash) => hash ?? shortened(path));
  } catch (error) {
    throw systemError(error, { path, writing: false }) ?? error;
  } finally {
    await file.close();
  }
}

type Hashes = (PartHash | undefined)[];

async function hashHere(file: number, parts: readonly FilePart[], signal?: AbortSignal): Promise<Hashes> {
  const hashes: Hashes = [];
  for (const part of parts) {
    await giveWay(signal);
    hashes.push(hashPart(file, part));
  }
  return hashes;
}

/** The hashes from a thread, or the status with which it ended without them. */
async function hashInThread(work: HashWork, signal?: AbortSignal): Promise<Hashes | number> {
  while (running.size >= MOST) await waitFor(Promise.race(running), signal);
  throwIfAborted(signal);
  const thread = new Worker(THREAD, { workerData: work, execArgv: FLAGS });
  const exit = new Promise<number>((resolve) => thread.once('exit', resolve));
  running.add(exit);
  void exit.then(() => running.delete(exit));
  const forget = onAbort(signal, () => void thread.terminate());
  try {
    // What comes first counts: an answer and the exit may be told in one turn.
    const answer = await new Promise<Hashes | number>((resolve, reject) => {
      thread.once('message', resolve).once('error', reject).once('exit', resolve);
    });
    throwIfAborted(signal);
    return answer;
  } finally {
    forget();
  }
}

/** The size and sha256 of a file. A large file is hashed in a thread of its own. Throws as `hashParts`. */
export async function hashedFile(path: string, size: number, signal?: AbortSignal): Promise<Checked> {
  if (!isLarge(size)) return checkFile(path, {}, signal);
  const [hash] = await hashParts(path, [{ offset: 0, length: size }], WHOLE, signal);
  return { size, sha256: hash!.sha256 };
}

const WHOLE: FileUse = { area: 'checksum', Failure: ModelError };

function ended(path: string, status: number): ModelError {
  return new ModelError(`The thread that hashed ${path} ended with status ${status}`, {
    code: 'checksum/thread',
    hint: 'Run the same command again. If it happens again, close other programs, because memory may be short.',
    details: { path, status },
  });
}

function shortened(path: string): never {
  throw new ModelError(`${path} became shorter or was replaced while it was read`, {
    code: 'checksum/size',
    hint: 'Run the same command again when nothing writes to the file any more.',
    details: { path },
  });
}
