import type { Abortable } from '../abort.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { createSha256, sha256 } from '../sha256.ts';
import { type FileUse, openRegular, readUpTo } from '../store/regular.ts';
import type { SourceFile } from './tree.ts';

/** The sha256 (hex) that info.json has of the other files of a folder of features, by their names. */
export type Sums = Readonly<Record<string, string>>;

/** A file that `tip-adapter embed` wrote. */
export const STORED: FileUse = {
  area: 'features',
  hint: 'Run tip-adapter embed again, which makes only what is missing.',
};

/** Throws `DataError` `features/checksum` if the bytes of the file are not those that were written. A file without a sum is not checked. */
export function checkSum(bytes: Uint8Array, name: string, sums: Sums = {}): void {
  if (sums[name] !== undefined) checkHash(sha256(bytes), name, sums);
}

/** The same for a file whose sha256 (hex) is known. */
export function checkHash(hash: string, name: string, sums: Sums = {}): void {
  if (sums[name] !== undefined && hash !== sums[name]) throw otherBytes(name);
}

/**
 * The file, after its bytes were checked as by `checkSum`. A file on disk is read piece by piece, and a file of a store is in memory
 * afterwards.
 */
export async function verified(
  file: SourceFile,
  sums: Sums = {},
  { signal }: Abortable = {},
): Promise<SourceFile> {
  const { path, absolute } = file;
  if (sums[path] === undefined) return file;
  if (absolute === undefined) {
    const bytes = await file.read();
    checkSum(bytes, path, sums);
    return { path, read: async () => bytes };
  }
  const { file: opened, stats } = await openRegular(absolute, STORED);
  const hash = createSha256();
  for await (const chunk of readUpTo(opened, stats.size)) {
    throwIfAborted(signal);
    hash.update(chunk);
  }
  checkHash(hash.digest('hex'), path, sums);
  return file;
}

function otherBytes(name: string): DataError {
  return new DataError(`${name} is not as tip-adapter embed wrote it: its sha256 is not that in info.json`, {
    code: 'features/checksum',
    hint: `Remove the file and run tip-adapter embed again. If you have changed it yourself, remove the entry "${name}" of "sums" in info.json.`,
    details: { file: name },
  });
}
