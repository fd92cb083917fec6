import { DataError } from '../errors.ts';
import { isImagePath, isOtherPicture } from '../image/image-paths.ts';
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
  /** Ends the claims of pictures that are on the board now, or will not be. Those that the board does not remember are removed. */
  settle?(hashes: readonly string[]): Promise<void>;
}

/** The problem of an entry of a zip that is not imported. An entry that is no picture has none. */
export function leftOut(name: string, isListed: boolean): Kept[] {
  const tell = (message: string): Kept[] => [{ name, problem: { code: 'studio/left-out', message } }];
  if (isOtherPicture(name)) return tell('The format of this picture is not supported');
  if (isListed) return isImagePath(name) ? tell('The table of the zip does not list this picture') : [];
  const isNamed = name.endsWith('/') || (name.split('/').at(-1) as string).includes('.');
  return isNamed ? [] : tell('A picture in a zip is recognised by its ending, such as .jpg');
}

/** The result of a zip. Throws `DataError` `studio/no-pictures` if the zip has neither pictures nor problems. */
export function checkHolds<T extends Kept | HeldOut>(kept: T[]): T[] {
  if (kept.length > 0) return kept;
  throw new DataError('The zip has no pictures', {
    code: 'studio/no-pictures',
    hint: 'Give a zip of pictures whose names end in .jpg, .png or another format that is read.',
  });
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
