import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, posix, resolve } from 'node:path';
import { DataError, systemCode, throwIfAborted } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { systemError } from '../system-error.ts';
import { diskFile } from './disk-file.ts';
import { quoted } from './findings.ts';
import { folderTree } from './folder-tree.ts';
import { groupBy } from './groups.ts';
import { splitNamed } from './splits.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Split } from './types.ts';

/** Finds the files that a table's rows name: for each row its file, or undefined. */
export type Lookup = (
  paths: readonly string[],
  context: { split?: Split; signal?: AbortSignal },
) => Promise<(SourceFile | undefined)[]>;

/**
 * Looks files up in a tree by their path relative to `base` ('' or ending with `/`) or by an absolute path inside the tree. Files
 * outside of the tree are not found. A name without an ending finds the one picture of this name. If no row is found, pictures in other
 * folders are searched.
 */
export function lookupInTree(tree: Tree, base: string): Lookup {
  const all = [...tree.files, ...tree.hidden];
  const files = new Map(all.map((file) => [nfc(file.path), file]));
  const stems = lazily(() => groupBy(all.filter(isPicture), ({ path }) => stemOf(nfc(path))));
  const at = (path: string) => {
    const own = nfc(path);
    return files.get(own) ?? (isImagePath(own) ? unreadableIn(tree, own) : onlyOne(stems().get(own)));
  };
  const root = nfc(tree.root.replaceAll('\\', '/'));
  const find = (path: string) => {
    for (const form of formsOf(path)) {
      const within = nfc(form).startsWith(`${root}/`) ? nfc(form).slice(root.length + 1) : undefined;
      const file = (within !== undefined && at(within)) || at(posix.join('.', base, form));
      if (file) return file;
    }
    return undefined;
  };
  return async (paths, { split }) => {
    const found = paths.map((path) => (path === '' ? undefined : find(path)));
    if (found.some(Boolean)) return found;
    return elsewhere(all.filter(isPicture), paths, base, split);
  };
}

/** Largest number of leading folders of a path that may be those of another machine. */
const MOST_FOLDERS = 32;

/**
 * The same lookup for paths that were written on another machine. The first folders of all paths are removed, one level after the other,
 * until a path leads to a file.
 */
export function lookupElsewhere(lookup: Lookup): Lookup {
  return async (paths, context) => {
    let rest = paths;
    for (let left = 0; ; left++) {
      const found = await lookup(rest, context);
      const shorter = rest.map((path) => path.replace(/^[^/\\]*[/\\]+(?=[^/\\])/, ''));
      if (found.some(Boolean) || left === MOST_FOLDERS || shorter.every((path, i) => path === rest[i]))
        return found;
      rest = shorter;
    }
  };
}

/** A picture that is unreadable or lies in an unreadable folder. Reading it throws the reason. */
function unreadableIn({ unreadable }: Tree, path: string): SourceFile | undefined {
  const found = unreadable.find((one) => path === nfc(one.path) || path.startsWith(`${nfc(one.path)}/`));
  if (!found) return undefined;
  const read = async () => {
    throw new DataError(`Cannot read ${path}: ${found.path}: ${found.reason}`, {
      code: 'dataset/unreadable',
      hint: 'Check permissions and links.',
      details: { path },
    });
  };
  return { path, read };
}

/** Number of rows that are looked up at the same time. */
const AT_ONCE = 256;

/** Looks files up on disk for the table at this path. If no row is found, all files below the table's folder are searched. */
export function lookupNear(table: string): Lookup {
  return async (paths, context) => {
    const found = await lookupOnDisk(table)(paths, context);
    if (found.some(Boolean)) return found;
    const tree = await folderTree(dirname(table), context.signal);
    const split = splitNamed(basename(table, extname(table)));
    return lookupInTree(tree, '')(paths, { split, ...context });
  };
}

/**
 * Looks files up on disk by paths that are absolute or relative to the folder of a table. Each folder is listed once. A file
 * in an unreadable folder counts as found, and reading it throws the reason.
 */
function lookupOnDisk(table: string): Lookup {
  const folder = dirname(table);
  return async (paths, { signal }) => {
    const listed = new Map<string, Promise<Map<string, Dirent>>>();
    const entryOf = async (absolute: string) => {
      const where = dirname(absolute);
      if (!listed.has(where)) {
        throwIfAborted(signal);
        listed.set(where, listFolder(where));
      }
      return (await listed.get(where))?.get(nfc(basename(absolute)));
    };
    const find = async (path: string) => {
      for (const form of formsOf(path)) {
        const absolute = resolve(folder, form);
        const entry = await entryOf(absolute);
        const there = entry ? resolve(dirname(absolute), entry.name) : absolute;
        // Some file systems open a file under other spellings than the listed one.
        if (entry?.isFile() || (await mayBeFile(there))) return diskFile(posix.normalize(form), there);
      }
      return undefined;
    };
    const found: (SourceFile | undefined)[] = [];
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const some = paths.slice(at, at + AT_ONCE);
      found.push(...(await Promise.all(some.map((path) => (path === '' ? undefined : find(path))))));
    }
    return found;
  };
}

async function mayBeFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    return systemError(error) !== undefined && !ABSENT.has(systemCode(error));
  }
}

/** The system's error codes for a path that does not exist or is invalid. */
const ABSENT = new Set<string | undefined>(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EINVAL']);

async function listFolder(folder: string): Promise<Map<string, Dirent>> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return new Map(entries.map((entry) => [nfc(entry.name), entry]));
}

/**
 * The forms of a path to try: unchanged, without blanks at its ends, with `\` as `/` (elsewhere than on Windows `\` can be part of a
 * name), and without the encoding of a URL.
 */
function* formsOf(given: string): Generator<string> {
  yield given;
  const path = given.trim();
  if (path !== given) yield path;
  if (path.includes('\\')) yield path.replaceAll('\\', '/');
  const bare = path.replace(/^file:\/\/(localhost)?/, '');
  if (!/%[0-9a-f]{2}/i.test(bare) && bare === path) return;
  try {
    yield decodeURIComponent(bare);
  } catch {
    yield bare;
  }
}

/**
 * The pictures below `base` whose paths end with the rows' paths. They are taken from the folder that holds most rows, or from any
 * folder if each row matches one picture only. Throws `DataError` if two folders hold equally many rows and `split` does not decide.
 */
function elsewhere(
  pictures: readonly SourceFile[],
  paths: readonly string[],
  base: string,
  split?: Split,
): (SourceFile | undefined)[] {
  const ending = new Map<string, Map<string, SourceFile>>(paths.map((path) => [nfc(path), new Map()]));
  const hits = new Map<string, number>();
  for (const file of pictures) {
    const path = nfc(file.path);
    if (!path.startsWith(base)) continue;
    const stem = stemOf(path);
    for (let end = path.indexOf('/', base.length) + 1; end > 0; end = path.indexOf('/', end) + 1) {
      const rows = ending.get(path.slice(end)) ?? ending.get(stem.slice(end));
      if (!rows) continue;
      const folder = path.slice(0, end);
      rows.set(folder, file);
      hits.set(folder, (hits.get(folder) ?? 0) + 1);
    }
  }
  const candidates = paths.map((path) => ending.get(nfc(path)) as Map<string, SourceFile>);
  if (candidates.every(({ size }) => size < 2)) return candidates.map((found) => [...found.values()][0]);
  const most = [...hits.values()].reduce((a, b) => Math.max(a, b), 0);
  const best = [...hits.keys()].filter((folder) => hits.get(folder) === most);
  const meant = best.filter((folder) => split && splitNamed(posix.basename(folder)) === split);
  const [chosen, another] = meant.length === 1 ? meant : best;
  if (chosen !== undefined && another === undefined) return candidates.map((found) => found.get(chosen));
  throw new DataError(`The table's pictures may be those in ${quoted(best)}`, {
    code: 'dataset/ambiguous-paths',
    hint: 'Write paths that begin with the folder: train/1.jpg instead of 1.jpg.',
    details: { folders: best },
  });
}

function isPicture({ path }: SourceFile): boolean {
  return isImagePath(path);
}

function onlyOne<T>(items: readonly T[] | undefined): T | undefined {
  return items?.length === 1 ? items[0] : undefined;
}

function stemOf(path: string): string {
  return path.replace(/\.[^./]*$/, '');
}

function nfc(text: string): string {
  return text.normalize('NFC');
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
