import { DataError } from '../errors.ts';
import type { Problem } from './status.ts';

/** Longer side of a thumbnail in pixels: sharp enough for the grid on a high-density screen, small enough for a classifier file. */
export const THUMBNAIL_SIDE = 144;

/** The result for an imported file: it was stored under its hash, or it has a problem. */
export type Kept =
  | {
      readonly name: string;
      readonly hash: string;
      /** Its class ('' if it is unsorted) and group in a zip's table. */
      readonly className?: string;
      readonly group?: string;
    }
  | { readonly name: string; readonly problem: Problem };

/** A picture that is held out by a zip's table. It is not stored. */
export interface HeldOut {
  readonly name: string;
  readonly isHeldOut: true;
}

/** The session's pictures by the sha256 of their bytes, with their thumbnails. No picture is written twice. */
export interface Pictures {
  /** Stores a picture. If it cannot be read, it is not stored, and its problem is returned. */
  keep(name: string, bytes: Uint8Array): Promise<Kept>;
  read(hash: string): Promise<Uint8Array>;
  /** Size of a picture's file in bytes. */
  size(hash: string): Promise<number>;
  thumbnail(hash: string): Promise<Uint8Array>;
}

/** Checks that a hash has 64 hexadecimal digits, so that it cannot be a path to another place. */
export function checkHash(hash: string): string {
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new DataError('A picture is named by its sha256', { code: 'studio/hash' });
}

/** The error for a picture that is on the board and was removed from the storage. */
export function notKept(hash: string, cause: unknown): never {
  throw new DataError(`The picture ${hash.slice(0, 12)} is not in this session`, {
    code: 'studio/no-picture',
    hint: 'It was removed from the disk; add it again.',
    details: { hash },
    cause,
  });
}
