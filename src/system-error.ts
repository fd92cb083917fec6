import { DataError, systemCode } from './errors.ts';

/** What the system's codes mean: our code, the reason in words, and what to do where something was read or was to be written. */
const SYSTEM: Readonly<Record<string, readonly [code: string, what: string, read: string, write?: string]>> =
  {
    ENOSPC: ['full', 'the disk is full', 'Free some space, or write to another disk.'],
    EDQUOT: ['full', 'the disk quota is used up', 'Free some space, or write elsewhere.'],
    EROFS: ['read-only', 'the disk is read-only', 'Choose a folder that you can write.'],
    EACCES: ['denied', 'permission denied', 'Check who may read it.', 'Choose a folder that you can write.'],
    EPERM: ['denied', 'not permitted', 'Check who may read it.', 'Choose a folder that you can write.'],
    EISDIR: ['is-a-folder', 'it is a folder', 'Give the path of a file.'],
    ENOTDIR: ['not-a-folder', 'a part of the path is a file', 'Check the path.', 'Choose another path.'],
    EEXIST: ['not-a-folder', 'a part of the path is a file', 'Check the path.', 'Choose another path.'],
    ENAMETOOLONG: ['name-too-long', 'the name is too long', 'Check the path.', 'Choose a shorter name.'],
    ENOENT: ['missing', 'it does not exist', 'Check the path.'],
    ELOOP: ['loop', 'links lead in a circle', 'Check the links on the path.'],
    EMFILE: ['too-many-open', 'too many files are open', 'Raise the limit of open files (ulimit -n).'],
    ENFILE: ['too-many-open', 'too many files are open on this machine', 'Close some programs.'],
    EIO: ['broken', 'the disk reports an error', 'Check the disk, or use another one.'],
    ESTALE: ['broken', 'the network drive has lost it', 'Connect the drive again.'],
    EBUSY: ['busy', 'another program uses it', 'Close the other program.'],
    ENOMEM: ['memory', 'there is not enough memory', 'Close some programs.'],
  };

/** Calls that have nothing to do with files. */
const ELSEWHERE = /^(connect|bind|listen|accept|getaddrinfo|kill)/;
const READS = [
  'open',
  'scandir',
  'opendir',
  'stat',
  'lstat',
  'fstat',
  'read',
  'readlink',
  'realpath',
  'access',
];

/**
 * What the system says of a file or folder as a `DataError` that says what to do (`disk/…`); undefined for every other error. Where
 * the caller knows no better, path and work are taken from the error.
 */
export function systemError(
  error: unknown,
  { path, writing }: { path?: string; writing?: boolean } = {},
): DataError | undefined {
  const system = systemCode(error);
  if (system === undefined || !/^E[A-Z0-9]+$/.test(system)) return undefined;
  const { syscall = '', message, path: found = 'a file' } = error as NodeJS.ErrnoException;
  if (ELSEWHERE.test(syscall)) return undefined;
  const writes = writing ?? !READS.includes(syscall);
  const [code, what, read, write = read] = SYSTEM[system] ?? [
    'system',
    message,
    'Check the path and the disk.',
  ];
  const where = path ?? found;
  return new DataError(`Cannot ${writes ? 'write' : 'read'} ${where}: ${what}`, {
    // Whoever may not write has a disk that can only be read.
    code: `disk/${code === 'denied' && writes ? 'read-only' : code}`,
    hint: writes ? write : read,
    details: { path: where, system },
    cause: error,
  });
}

/** Why the system does not read or write something, in words. */
export function systemReason(error: unknown): string {
  return SYSTEM[systemCode(error) ?? '']?.[1] ?? (error as Error).message;
}

/** Does the work; what the system says of files becomes a `DataError`. */
export async function withNamedErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw systemError(error) ?? error;
  }
}
