import { stat } from 'node:fs/promises';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { count, number } from '../words.ts';
import type { Io } from './io.ts';
import { tellFindings } from './tell.ts';

/**
 * The pictures that a person means by files, folders (all pictures below them), patterns (for shells that do not expand
 * them) and `-` (paths from stdin, to the letter). A file that is named is kept, there or not: its own error is the better
 * one. `except`: a folder that is left out. Throws `DataError` where a folder, a pattern or stdin holds no picture.
 */
export async function findImages(given: readonly string[], io: Io, except?: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of given) {
    for (const image of path === '-' ? await imagesListed(io) : await imagesAt(path, io)) found.push(image);
  }
  const outside = except && resolve(except) + sep;
  const kept = [...new Set(found)].filter((path) => !outside || !resolve(path).startsWith(outside));
  if (kept.length === 0) throw noImages(given.join(' '));
  return kept;
}

async function imagesListed(io: Io): Promise<string[]> {
  const paths: string[] = [];
  for await (const line of io.lines()) {
    if (line.includes('\0')) throw noList('Stdin holds NUL characters, which no path contains');
    if (line.trim() !== '') paths.push(line);
  }
  if (paths.length > 0) return paths;
  throw noList('There is no path on stdin');
}

function noList(message: string): DataError {
  return new DataError(message, {
    code: 'images/none',
    hint: 'Stdin must be a list of paths in UTF-8, one on each line, as find prints them.',
  });
}

async function imagesAt(path: string, io: Io): Promise<string[]> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory()) return imagesBelow(path, io);
  const { glob, isDynamicPattern } = await import('tinyglobby');
  if (info || !isDynamicPattern(path)) return [path];
  const pattern = process.platform === 'win32' ? path.replaceAll('\\', '/') : path;
  const matches = (
    await glob(pattern, { expandDirectories: false, absolute: isAbsolute(path), signal: io.signal })
  ).filter(isImagePath);
  if (matches.length === 0) throw noImages(path);
  return sorted(matches);
}

/** The pictures below a folder, and below those that links in it lead to; what is passed over is told. */
async function imagesBelow(folder: string, io: Io): Promise<string[]> {
  const { folderTree, hiddenFindings } = await import('../dataset/source.ts');
  const { files, hidden, findings } = await folderTree(folder, io.signal, { anywhere: true });
  tellFindings(io, [...findings, ...hiddenFindings(hidden)]);
  const paths = files.flatMap(({ path }) => (isImagePath(path) ? [join(folder, path)] : []));
  if (paths.length === 0) throw noImages(folder);
  return paths;
}

async function sorted(paths: string[]): Promise<string[]> {
  const { sortNaturally } = await import('../dataset/names.ts');
  return sortNaturally(paths, (path) => path);
}

function noImages(where: string): DataError {
  return new DataError(`There is no picture in ${where}`, {
    code: 'images/none',
    hint: 'Give pictures (such as JPEG, PNG, WebP or HEIC), folders of pictures, or patterns such as "photos/*.jpg".',
    details: { where },
  });
}

/** Throws `DataError` where pictures could not be read: what is printed is about the others, and a program learns that. */
export function checkAllRead(
  unread: readonly string[],
  { all, code, hint }: { all: number; code: string; hint?: string },
): void {
  if (unread.length === 0) return;
  throw new DataError(`${number(unread.length)} of ${count(all, 'picture')} could not be read`, {
    code,
    hint,
    details: { images: unread },
  });
}

/** What to do about figures that are not about all pictures. */
export const PARTIAL_HINT =
  'The figures are about the others only. Remove these pictures or write them anew, and measure again.';
