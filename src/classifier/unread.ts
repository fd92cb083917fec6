import { splitNamed } from '../dataset/splits.ts';
import type { Dataset, Split } from '../dataset/types.ts';
import { DataError } from '../errors.ts';
import type { Failure } from './types.ts';

/** The files and folders that could not be read when the data set was listed, if they belong to a wanted split or to none. */
export function unlisted({ unreadable = [] }: Dataset, isWanted: (split: Split) => boolean): Failure[] {
  const splitsOf = (path: string) => path.split('/').flatMap((name) => splitNamed(name) ?? []);
  return unreadable
    .filter(({ path, split }) => (split ? [split] : splitsOf(path)).every(isWanted))
    .map(({ path, reason }) => ({
      image: path,
      error: new DataError(`Cannot read ${path}: ${reason}`, {
        code: 'dataset/unlisted',
        hint: 'Check permissions and links.',
        details: { path },
      }),
    }));
}

/** Pictures that could not be encoded. */
export function unencoded(failures: readonly { readonly id: string; readonly error: Error }[]): Failure[] {
  return failures.map(({ id, error }) => ({ image: id, error }));
}
