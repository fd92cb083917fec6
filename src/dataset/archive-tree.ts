import { basename, posix, resolve } from 'node:path';
import { giveWay } from '../abort.ts';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { openZip } from '../store/zip.ts';
import { count, number } from '../words.ts';
import { archiveStem } from './archive-names.ts';
import { warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { leftoverFindings } from './left-out.ts';
import { isHidden, isLeftover } from './leftovers.ts';
import { sortNaturally } from './names.ts';
import { grow, type SourceFile, type Tree } from './tree.ts';
import type { Finding } from './types.ts';

/** Options of opening archives. */
export interface ArchiveOptions {
  signal?: AbortSignal;
  /** Encoding of the names in a zip that are not in UTF-8. */
  zipEncoding?: string;
}

/** The files of a zip archive. Unreadable entries are left out and reported. */
export async function zipTree(path: string, { signal, zipEncoding }: ArchiveOptions = {}): Promise<Tree> {
  const archive = await openZip(path, { signal, encoding: zipEncoding });
  if (archive.entries.length === 0 && archive.skipped.length > 0) {
    throw new DataError(`${path} holds no file that can be read: ${reasonsOf(archive.skipped)}`, {
      code: 'zip/unusable',
      hint: 'Make the archive again without a password and with the usual compression (deflate), or unpack it and give the folder.',
      details: { path },
    });
  }
  return archiveTree(path, 'zip', archive, signal);
}

/** The files of a tar archive, as `zipTree` gives those of a zip. */
export async function tarTree(path: string, { signal }: ArchiveOptions = {}): Promise<Tree> {
  const { openTar } = await import('../store/tar.ts');
  return archiveTree(path, 'tar archive', await openTar(path, { signal }), signal);
}

/** The part that zip and tar archives have in common. */
export interface Archive {
  readonly entries: readonly { name: string }[];
  readonly folders?: readonly string[];
  readonly skipped: readonly { name: string; reason: string }[];
  readonly guessed?: readonly string[];
  /** Absolute path of the archive that holds an entry, if there are several. */
  pathOf?(name: string): string;
  /** Changes whenever the bytes of an entry do, if they are not in a file on disk. Undefined if only the bytes themselves show a change. */
  tagOf?(name: string): string | undefined;
  read(name: string): Promise<Uint8Array>;
}

/** The files of an archive. `kind` names it in messages. */
export async function archiveTree(
  path: string,
  kind: string,
  archive: Archive,
  signal?: AbortSignal,
): Promise<Tree> {
  const root = resolve(path);
  const files: SourceFile[] = [];
  const hidden: SourceFile[] = [];
  const leftovers = new Set<string>();
  /** The position in a path at which a leftover of an operating system begins, or undefined. */
  const leftoverIn = (parts: string[]) => {
    const at = parts.findIndex(isLeftover);
    if (at >= 0) leftovers.add(parts.slice(0, at + 1).join('/'));
    return at >= 0;
  };
  for (const { name } of archive.entries) {
    const parts = name.split('/');
    if (leftoverIn(parts)) continue;
    const tag = archive.tagOf?.(name);
    const place = archive.tagOf ? tag !== undefined && { tag } : { within: archive.pathOf?.(name) ?? root };
    (parts.some(isHidden) ? hidden : files).push({ path: name, ...place, read: () => archive.read(name) });
  }
  await giveWay(signal);
  const folders = [...new Set([...(archive.folders ?? []), ...foldersOf(archive.skipped)])].filter(
    (folder) => {
      const parts = folder.split('/');
      return !leftoverIn(parts) && !parts.some(isHidden);
    },
  );
  return {
    name: archiveStem(basename(path)),
    root,
    ...grow(
      sortNaturally(files, (file) => file.path),
      folders,
    ),
    hidden,
    findings: [
      ...unusable(archive.skipped, kind),
      ...guessedNames(archive.guessed ?? []),
      ...leftoverFindings([...leftovers]),
    ],
    unreadable: archive.skipped.map(({ name, reason }) => ({ path: name, reason })),
  };
}

/** The folders of unreadable pictures, because a class with only such pictures is still a class. Unsafe names are ignored. */
function foldersOf(skipped: readonly { name: string }[]): string[] {
  return skipped
    .filter(({ name }) => isImagePath(name) && posix.normalize(name) === name && !/^(\/|\.\.\/)/.test(name))
    .map(({ name }) => posix.dirname(name))
    .filter((folder) => folder !== '.');
}

function unusable(skipped: Archive['skipped'], kind: string): Finding[] {
  if (skipped.length === 0) return [];
  const paths = skipped.map(({ name, reason }) => `${name}: ${reason}`);
  const message = `${count(skipped.length, `entry of the ${kind} is`, `entries of the ${kind} are`)} left out (${reasonsOf(skipped)}).`;
  return [warning('zip-unusable', message, paths)];
}

function guessedNames(names: readonly string[]): Finding[] {
  if (names.length === 0) return [];
  const what = count(names.length, 'name in the zip is', 'names in the zip are');
  const message = `${what} in an unknown encoding and read as code page 437. If they look wrong, give the encoding (--zip-encoding shift_jis, gbk, windows-1251 and others).`;
  return [warning('zip-names', message, [...names])];
}

/** `5 encrypted, 1 a link`. */
function reasonsOf(skipped: readonly { reason: string }[]): string {
  return [...groupBy(skipped, ({ reason }) => reason)]
    .map(([reason, { length }]) => `${number(length)} ${reason}`)
    .join(', ');
}
