import { readdir, realpath, stat } from 'node:fs';
import { basename, isAbsolute, posix, relative } from 'node:path';
import { type FileSystemAdapter, glob } from 'tinyglobby';
import { linkReason } from '../dataset/folder-tree.ts';
import { isHidden, isLeftover } from '../dataset/leftovers.ts';
import { sortNaturally } from '../dataset/names.ts';
import type { Unreadable } from '../dataset/types.ts';
import { isImagePath } from '../image/image-paths.ts';
import { systemReason } from '../system-error.ts';

/**
 * The pictures whose paths match a pattern, in natural order, and the unreadable folders on the way. A broken link with the name of a
 * picture also matches: opening it reports the error.
 */
export async function imagesMatching(
  given: string,
  signal: AbortSignal,
): Promise<{ images: string[]; unreadable: Unreadable[] }> {
  const pattern = posix.normalize(process.platform === 'win32' ? given.replaceAll('\\', '/') : given);
  const absolute = isAbsolute(given);
  const unreadable: Unreadable[] = [];
  const note = (found: string, reason: string) => {
    const name = basename(found);
    const path = absolute ? found : relative('', found);
    if (!isHidden(name) && !isLeftover(name)) unreadable.push({ path, reason });
  };
  const depth = pattern.includes('**') ? Number.POSITIVE_INFINITY : pattern.split('/').length;
  const mayBeFolder = (path: string) =>
    !isImagePath(path) && (absolute ? path : relative('', path)).split(/[\\/]/).length < depth;
  // The library skips unreadable folders silently.
  const fs = {
    readdir(path: string, options: { withFileTypes: true }, done: (...answer: unknown[]) => void) {
      readdir(path, options, (error, entries) => {
        if (error) note(path, systemReason(error));
        done(error, entries);
      });
    },
    realpath(path: string, done: (error: null, target: string) => void) {
      realpath(path, (error, target) => {
        if (error && mayBeFolder(path)) note(path, linkReason(error));
        done(null, error ? path : target);
      });
    },
    stat(path: string, done: (error: null, found: { isDirectory(): boolean }) => void) {
      stat(path, (error, found) => done(null, error ? { isDirectory: () => false } : found));
    },
  } as unknown as FileSystemAdapter;
  const matches = await glob(pattern, { expandDirectories: false, absolute, signal, fs });
  return { images: sortNaturally(matches.filter(isImagePath), (path) => path), unreadable };
}
