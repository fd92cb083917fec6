import { DataError, systemCode } from './errors.ts';

/** The meaning of the system's error codes: the package's code, the reason in words, and the hints for reading and for writing. */
const SYSTEM: Readonly<Record<string, readonly [code: string, what: string, read: string, write?: string]>> =
  {
    ENOSPC: ['full', 'the disk is full', 'Free some space, or write to another disk.'],
    EDQUOT: ['full', 'the disk quota is used up', 'Free some space, or write to another disk.'],
    EROFS: ['read-only', 'the disk is read-only', 'Choose a folder that you can write to.'],
    EACCES: [
      'denied',
      'permission denied',
      'Check its permissions.',
      'Choose a folder that you can write to.',
    ],
    EPERM: ['denied', 'not permitted', 'Check its permissions.', 'Choose a folder that you can write to.'],
    EISDIR: ['is-a-folder', 'it is a folder', 'Give the path of a file.'],
    ENOTDIR: ['not-a-folder', 'a part of the path is a file', 'Check the path.', 'Choose another path.'],
    EEXIST: ['not-a-folder', 'a part of the path is a file', 'Check the path.', 'Choose another path.'],
    ENAMETOOLONG: ['name-too-long', 'the name is too long', 'Check the path.', 'Choose a shorter name.'],
    ENOENT: ['missing', 'it does not exist', 'Check the path.'],
    ELOOP: ['loop', 'links lead in a circle', 'Check the links on the path.'],
    EMFILE: ['too-many-open', 'too many files are open', 'Raise the limit of open files (ulimit -n).'],
    ENFILE: ['too-many-open', 'too many files are open on this machine', 'Close some programs.'],
    EIO: ['broken', 'the disk reports an error', 'Check the disk, or use another one.'],
    ESTALE: ['broken', 'the network drive no longer has it', 'Connect the drive again.'],
    EBUSY: ['busy', 'another program uses it', 'Close the other program.'],
    ENOMEM: ['memory', 'there is not enough memory', 'Close some programs.'],
  };

/** System calls that are not about files. */
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
 * The `DataError` (`disk/…`) of a system error about a file or folder, with a hint; undefined for every other error. If the caller
 * does not give the path and the kind of work, they are taken from the error.
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
    // Without permission to write, the disk counts as read-only.
    code: `disk/${code === 'denied' && writes ? 'read-only' : code}`,
    hint: writes ? write : read,
    details: { path: where, system },
    cause: error,
  });
}

/** The reason why the system cannot read or write something, in words. */
export function systemReason(error: unknown): string {
  return SYSTEM[systemCode(error) ?? '']?.[1] ?? (error as Error).message;
}

/** Does the work. System errors about files become `DataError`. */
export async function withNamedErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw systemError(error) ?? error;
  }
}
