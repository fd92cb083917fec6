import { stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { Failure } from '../classifier/types.ts';
import { isTarName, isZipName } from '../dataset/archive-names.ts';
import { countUnread } from '../dataset/findings.ts';
import type { FoundPictures } from '../dataset/pictures.ts';
import type { ListValues } from '../dataset/read-options.ts';
import type { Example, Unreadable } from '../dataset/types.ts';
import { DataError, systemCode } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { isHubData } from '../store/store-address.ts';
import { systemError } from '../system-error.ts';
import { count, number } from '../words.ts';
import type { Io } from './io.ts';
import { tellFindings } from './tell.ts';

/** A picture: its path or, inside of an archive, its name with a function that reads it. */
export type Picture = string | Pick<Example, 'id' | 'read'>;

/** The pictures that were found, and the files and folders that could not be read. */
interface Found {
  readonly images: readonly Picture[];
  readonly unread: readonly Failure[];
}

/**
 * The pictures for files, folders and archives (all pictures in them), data sets on the hub (`hf:datasets/…`), patterns (for shells that do
 * not expand them) and `-` (paths from stdin, without patterns). A named file is kept even if it does not exist, because opening it gives a
 * better error. `except` is a folder that is left out. Throws `DataError` if a folder, a pattern or stdin has no picture.
 */
export async function findImages(
  given: readonly string[],
  io: Io,
  { except, ...listing }: ListValues & { except?: string } = {},
): Promise<Found> {
  const found: Found[] = [];
  for (const path of given)
    found.push(path === '-' ? await imagesListed(io) : await imagesAt(path, io, listing));
  const outside = except && resolve(except) + sep;
  const isKept = (path: string) => !outside || !resolve(path).startsWith(outside);
  const known = new Map(found.flatMap((one) => one.images.map((image) => [idOf(image), image])));
  const images = [...known].flatMap(([id, image]) =>
    typeof image !== 'string' || isKept(id) ? [image] : [],
  );
  const unread = found.flatMap((one) => one.unread).filter(({ image }) => isKept(image));
  if (images.length + unread.length === 0) throw noImages(given.join(' '));
  return { images, unread };
}

/** The name of a picture in answers. */
export const idOf = (image: Picture) => (typeof image === 'string' ? image : image.id);

async function imagesListed(io: Io): Promise<Found> {
  const images: string[] = [];
  for await (const line of io.lines()) {
    if (line.includes('\0')) throw noList('Stdin holds NUL characters, which no path contains');
    if (line.trim() !== '') images.push(line);
  }
  if (images.length > 0) return { images, unread: [] };
  throw noList('There is no path on stdin');
}

function noList(message: string): DataError {
  return new DataError(message, {
    code: 'images/none',
    hint: 'Give a list of paths in UTF-8 on stdin, one on each line, as find prints them.',
  });
}

async function imagesAt(path: string, io: Io, listing: ListValues): Promise<Found> {
  if (isHubData(path)) return imagesOnHub(path, io);
  const info = await stat(path).catch((error: unknown) => systemCode(error));
  if (typeof info === 'object' && (info.isDirectory() || isZipName(path) || isTarName(path)))
    return imagesIn(path, io, listing);
  const isNoFile = info === 'ENOENT' || info === 'ENAMETOOLONG';
  // A path that exists or is not accessible is not a pattern.
  if (!isNoFile || !(await import('tinyglobby')).isDynamicPattern(path))
    return { images: [path], unread: [] };
  const { imagesMatching } = await import('./image-pattern.ts');
  const { images, unreadable } = await imagesMatching(path, io.signal);
  if (images.length + unreadable.length === 0) throw noImages(path);
  return { images, unread: unreadable.map(unreadAt) };
}

/** The pictures of a data set on the hub, whatever its labels are. */
async function imagesOnHub(source: string, io: Io): Promise<Found> {
  const { hubTree } = await import('../dataset/hub-data.ts');
  const { parquetPictures } = await import('../dataset/parquet.ts');
  const tree = await hubTree(source, { signal: io.signal, note: (line) => io.note(line) });
  const files = await parquetPictures(tree);
  return { images: files.map((file) => ({ id: file.path, read: () => file.read() })), unread: [] };
}

/** The pictures of a folder or archive. Notes report what is left out. */
async function imagesIn(source: string, io: Io, listing: ListValues): Promise<Found> {
  const { listPictures } = await import('../dataset/pictures.ts');
  let found: FoundPictures;
  try {
    found = await listPictures(source, { ...listing, signal: io.signal });
  } catch (error) {
    const named = systemError(error, { path: source });
    if (named) return { images: [], unread: [{ image: source, error: named }] };
    throw error;
  }
  const { pictures, findings, unreadable } = found;
  // Unreadable folders are reported together with the unreadable pictures.
  tellFindings(
    io,
    findings.filter(({ code }) => !UNREAD.includes(code)),
  );
  const images = pictures.map((file): Picture => {
    const id = join(source, file.path);
    return file.absolute ? id : { id, read: () => file.read() };
  });
  const unread = unreadable.map(({ path, reason }) => unreadAt({ path: join(source, path), reason }));
  if (images.length + unread.length === 0) throw noImages(source);
  return { images, unread };
}

/** Findings about files and folders that are reported as unreadable. */
const UNREAD = ['dataset/unreadable', 'dataset/zip-unusable'];

function unreadAt({ path, reason }: Unreadable): Failure {
  const error = new DataError(`Cannot read ${path}: ${reason}`, {
    code: 'images/unreadable',
    hint: 'Check permissions and links.',
    details: { path },
  });
  return { image: path, error };
}

function noImages(where: string): DataError {
  return new DataError(`There is no picture in ${where}`, {
    code: 'images/none',
    hint: 'Give pictures (such as JPEG, PNG, WebP or HEIC), folders of pictures, or patterns such as "photos/*.jpg".',
    details: { where },
  });
}

/** The error after finished work, if some files could not be read. */
export class PartialError extends DataError {}

/** Throws `PartialError` if pictures could not be read, so that a program learns that the output covers only the others. */
export function checkAllRead(
  unread: readonly string[],
  { all, code, hint }: { all?: number; code: string; hint?: string },
): void {
  if (unread.length === 0) return;
  const what =
    all !== undefined && unread.every(isImagePath)
      ? `${number(unread.length)} of ${count(all, 'picture')}`
      : countUnread(unread);
  throw new PartialError(`${what} could not be read`, {
    code,
    hint,
    details: { images: unread },
  });
}

/** Throws `PartialError` if a written classifier has not learnt from all given data. */
export function checkAllLearnt(unread: readonly Failure[], code: string): void {
  checkAllRead(
    unread.map(({ image }) => image),
    {
      code,
      hint: 'The classifier is written, and has learnt from the other pictures only. Remove the unreadable files or make them readable, and repeat the command.',
    },
  );
}

/** The hint for figures that do not cover all pictures. */
export const PARTIAL_HINT =
  'The figures are about the other pictures only. Remove the unreadable files or make them readable, and measure again.';
