import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { onAbort } from '../abort.ts';
import { ModelError, throwIfAborted } from '../errors.ts';
import { type Checked, checkFile } from './checksum.ts';
import { type FileUse, openRegular } from './regular.ts';

const EXTENSION = extname(import.meta.url);
const THREAD = new URL(`./hash-worker${EXTENSION}`, import.meta.url);

/** Threads do not get the program's own flags, because `--input-type` would end them. From TypeScript sources they do, for the loader. */
const FLAGS = EXTENSION === '.ts' ? undefined : [];

/** Number of bytes that the thread reads at once. */
export const CHUNK = 2 ** 19;

/** Smallest file in bytes that is worth a thread, whose start takes 30 ms. */
const LARGE = 2 ** 25;

/** A part of a file, in bytes. With a type, its numbers are hashed in single precision. */
export interface FilePart {
  readonly offset: number;
  readonly length: number;
  readonly dtype?: 'float32' | 'float16' | 'bfloat16';
}

/** The sha256 (hex) of a part. */
export interface PartHash {
  readonly sha256: string;
  /** The first number that is not finite. The sha256 is then of the numbers in front of its piece. */
  readonly bad?: { readonly at: number; readonly value: number };
}

/** The work of the thread: a file's descriptor, and the parts. */
export interface HashWork {
  readonly file: number;
  readonly parts: readonly FilePart[];
}

/**
 * Hashes of parts of a file, in their order. They are computed in a thread of their own, side by side with other work of the program. Throws
 * `ModelError` `checksum/size` if the file is shorter than a part of it, and as `openRegular`.
 */
export async function hashParts(
  path: string,
  parts: readonly FilePart[],
  use: FileUse,
  signal?: AbortSignal,
): Promise<PartHash[]> {
  throwIfAborted(signal);
  const { file } = await openRegular(path, use);
  try {
    const work: HashWork = { file: file.fd, parts };
    const thread = new Worker(THREAD, { workerData: work, execArgv: FLAGS });
    const forget = onAbort(signal, () => void thread.terminate());
    // Rejects with what the thread throws. A thread that is ended sends nothing.
    const [hashes] = (await Promise.race([once(thread, 'message'), once(thread, 'exit')]).finally(
      forget,
    )) as [(PartHash | undefined)[] | number];
    throwIfAborted(signal);
    const known = typeof hashes === 'number' ? [undefined] : hashes;
    return known.map((hash) => hash ?? shortened(path));
  } finally {
    await file.close();
  }
}

/** The size and sha256 of a file. A large file is hashed in a thread of its own. Throws as `hashParts`. */
export async function hashedFile(path: string, size: number, signal?: AbortSignal): Promise<Checked> {
  if (size < LARGE) return checkFile(path, {}, signal);
  const [hash] = await hashParts(path, [{ offset: 0, length: size }], WHOLE, signal);
  return { size, sha256: hash!.sha256 };
}

const WHOLE: FileUse = { area: 'checksum', Failure: ModelError };

function shortened(path: string): never {
  throw new ModelError(`${path} became shorter while it was read`, {
    code: 'checksum/size',
    hint: 'Run the same command again when nothing writes to the file any more.',
    details: { path },
  });
}
