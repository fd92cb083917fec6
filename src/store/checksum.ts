import { createHash } from 'node:crypto';
import { ModelError, throwIfAborted, UsageError } from '../errors.ts';
import { count, number } from '../words.ts';
import { openRegular, readUpTo } from './regular.ts';

/** The expected size and hashes of a file, as its publisher gives them. */
export interface Expected {
  /** Size in bytes. */
  size?: number;
  /** Sha256 in hex. */
  sha256?: string;
  /** Subresource integrity as in npm's records: `sha512-<base64>`. */
  integrity?: string;
  /** Git's object id: sha1 (hex) of `blob <size>\0` followed by the bytes. */
  gitOid?: string;
}

/** Size (bytes) and sha256 (hex) of a file that was checked. */
export interface Checked {
  size: number;
  sha256: string;
}

/**
 * Reads a file once and compares it with all expected values. Throws `ModelError` `checksum/size` or `checksum/mismatch` with the
 * expected and the actual value, `UsageError` for an integrity without sha512, and as `openRegular`.
 */
export async function checkFile(path: string, expected: Expected, signal?: AbortSignal): Promise<Checked> {
  const { file, stats } = await openRegular(path, { area: 'checksum', Failure: ModelError });
  const { size } = stats;
  if (expected.size !== undefined && size !== expected.size) {
    await file.close();
    throw new ModelError(`${path} has ${count(size, 'byte')} instead of ${number(expected.size)}`, {
      code: 'checksum/size',
      details: { path, expected: expected.size, actual: size },
    });
  }
  const sha256 = createHash('sha256');
  const sha512 = expected.integrity === undefined ? undefined : createHash('sha512');
  const git = expected.gitOid === undefined ? undefined : createHash('sha1').update(`blob ${size}\0`);
  for await (const chunk of readUpTo(file, size)) {
    throwIfAborted(signal);
    sha256.update(chunk);
    sha512?.update(chunk);
    git?.update(chunk);
  }
  const actual = sha256.digest('hex');
  compare(path, 'sha256', expected.sha256?.toLowerCase(), actual);
  if (sha512) compare(path, 'sha512', sha512Of(expected.integrity ?? ''), sha512.digest('base64'));
  if (git) compare(path, 'git sha1', expected.gitOid?.toLowerCase(), git.digest('hex'));
  return { size, sha256: actual };
}

/** Sha256 (hex) over pieces of text and numbers. Each is preceded by its length, so that the same bytes in other pieces give another hash. */
export function hashOf(...pieces: readonly (string | ArrayBufferView)[]): string {
  return hashOfAll(pieces);
}

/** The same for any number of pieces: as arguments, V8 takes about 100,000. */
export function hashOfAll(pieces: Iterable<string | ArrayBufferView>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) {
    const bytes =
      typeof piece === 'string'
        ? Buffer.from(piece)
        : new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
    hash.update(`${bytes.length} `).update(bytes);
  }
  return hash.digest('hex');
}

function compare(path: string, algorithm: string, expected: string | undefined, actual: string): void {
  if (expected === undefined || expected === actual) return;
  throw new ModelError(`${path} is not the expected file: its ${algorithm} is ${actual}, not ${expected}`, {
    code: 'checksum/mismatch',
    hint: 'The file was changed during the transfer or at its source, and is not used. Run the same command again, or choose another source.',
    details: { path, algorithm, expected, actual },
  });
}

function sha512Of(integrity: string): string {
  const found = integrity.split(/\s+/).find((part) => part.startsWith('sha512-'));
  if (found) return found.slice('sha512-'.length).split('?')[0]!;
  throw new UsageError(`The integrity "${integrity}" contains no sha512`, {
    code: 'checksum/integrity',
    hint: 'Give it as in a package-lock.json: sha512-…',
  });
}
