import type { Dirent, Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, posix, resolve, sep } from 'node:path';
import { giveWay } from '../abort.ts';
import { DataError, systemCode, TipAdapterError, throwIfAborted, UsageError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { type FileUse, kindOf, PICTURE, readRegular } from '../store/regular.ts';
import { openTar } from '../store/tar.ts';
import { openZip } from '../store/zip.ts';
import { systemReason } from '../system-error.ts';
import { count, number } from '../words.ts';
import { archiveStem } from './archive-names.ts';
import { info, quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { isHidden, isLeftover } from './leftovers.ts';
import { sortNaturally } from './names.ts';
import { grow, type SourceFile, type Tree } from './tree.ts';
import type { Example, Finding, Unreadable } from './types.ts';

/** A picture or a table of a data set. */
const LISTED: FileUse = {
  ...PICTURE,
  area: 'dataset',
  hint: 'Check that the file still exists and that you may read it.',
};

/**
 * A file below a folder. It holds its path inside the folder only, and is one of very many: the absolute path is put together when it is
 * asked for.
 */
class FolderFile implements SourceFile {
  readonly path: string;
  /** The folder, with a separator at its end. */
  readonly #base: string;

  constructor(path: string, base: string) {
    this.path = path;
    this.#base = base;
  }

  get absolute(): string {
    // A sum of two texts takes no memory for their letters.
    return sep === '/' ? this.#base + this.path : join(this.#base, this.path);
  }

  get readExample() {
    return readOwnFile;
  }

  read(): Promise<Uint8Array> {
    return readRegular(this.absolute, LISTED);
  }
}

function readOwnFile(this: Pick<Example, 'path'> | undefined): Promise<Uint8Array> {
  if (this?.path !== undefined) return readRegular(this.path, LISTED);
  throw detached();
}

/** The error of a function that reads the example it is called on, and was called on none. */
export function detached(): UsageError {
  return new UsageError('The function read was taken from its example', {
    code: 'dataset/detached',
    hint: 'Call it as example.read(), or keep a function () => example.read().',
  });
}

/** A file on disk; `path` is its name in the source. */
export function diskFile(path: string, absolute: string): SourceFile {
  return { path, absolute, read: () => readRegular(absolute, LISTED) };
}

/** The tree of a table whose own path is given, with the files of the names in `beside` (in any case) from its folder. */
export async function tableTree(path: string, beside: readonly string[]): Promise<Tree> {
  const root = resolve(path);
  const [folder, name] = [dirname(root), basename(root)];
  const others = (await readdir(folder)).filter(
    (other) => other !== name && beside.includes(other.toLowerCase()),
  );
  const [table, ...files] = [name, ...others].map((one) => diskFile(one, join(folder, one)));
  const all = grow([table!, ...files], []);
  return {
    name: basename(path, extname(path)),
    root,
    table,
    ...all,
    hidden: [],
    findings: [],
    unreadable: [],
  };
}

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
  /** Changes whenever the bytes of an entry do, if they are not in a file on disk. Undefined if only the bytes themselves tell. */
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

function leftoverFindings(paths: string[]): Finding[] {
  if (paths.length === 0) return [];
  const names = [...new Set(paths.map((path) => posix.basename(path)))];
  const what = count(
    paths.length,
    'file or folder of a system or tool is',
    'files and folders of systems and tools are',
  );
  return [info('leftovers', `${what} left out (${quoted(names)}).`, paths)];
}

/** Reports the files that were left out because they are hidden. */
export function hiddenFindings(files: readonly SourceFile[]): Finding[] {
  if (files.length === 0) return [];
  const tell = files.some(({ path }) => isImagePath(path)) ? warning : info;
  const hidden = count(
    files.length,
    'file is left out, because its name or that of a folder begins with a dot',
    'files are left out, because their names or those of their folders begin with a dot',
  );
  const paths = files.map(({ path }) => path);
  return [tell('hidden', `${hidden}.`, paths)];
}

/**
 * The files below a folder. Links that lead out of the folder are followed only with `anywhere`. A folder that several links lead to
 * is read through the first link only, so that nested links do not multiply the files. Findings report what is left out.
 */
export async function folderTree(
  folder: string,
  signal?: AbortSignal,
  { anywhere = false }: { anywhere?: boolean } = {},
): Promise<Tree> {
  const root = resolve(folder);
  const real = await realpath(root);
  const inside = real.endsWith(sep) ? real : real + sep;
  const base = root.endsWith(sep) ? root : root + sep;
  const files: SourceFile[] = [];
  const hidden: SourceFile[] = [];
  const folders: string[] = [];
  const leftovers: string[] = [];
  const refused: Refused = { outside: [], loop: [], again: [], twice: [] };
  const unreadable: Unreadable[] = [];
  /** Followed links, by the real paths of their targets. */
  const followed = new Map<string, string>();
  /** Real paths of the folders that were read under their own names. */
  const own = new Set<string>();

  /** `trail` holds the real paths from the root down to this folder. */
  const walk = async (prefix: string, trail: string[], isOpen: boolean): Promise<void> => {
    throwIfAborted(signal);
    const here = trail[trail.length - 1]!;
    const entries = await readdir(here, { withFileTypes: true });
    for (const entry of sortNaturally(entries, sortName)) {
      const path = prefix + entry.name;
      if (isLeftover(entry.name)) {
        leftovers.push(path);
        continue;
      }
      const shown = isOpen && !isHidden(entry.name);
      try {
        let target = join(here, entry.name);
        let found: Dirent | Stats = entry;
        if (entry.isSymbolicLink()) {
          target = await realpath(target);
          if (!anywhere && target !== real && !target.startsWith(inside)) {
            refused.outside.push(path);
            continue;
          }
          found = await stat(target);
          if (found.isDirectory()) {
            if (trail.includes(target)) refused.loop.push(path);
            else if (followed.has(target)) refused.again.push(path);
            if (trail.includes(target) || followed.has(target)) continue;
            followed.set(target, path);
          }
        }
        if (found.isFile()) {
          (shown ? files : hidden).push(new FolderFile(path, base));
        } else if (found.isDirectory()) {
          if (shown) folders.push(path);
          if (shown && !entry.isSymbolicLink()) own.add(target);
          await walk(`${path}/`, [...trail, target], shown);
        } else {
          unreadable.push({ path, reason: `it is ${kindOf(found)}` });
        }
      } catch (error) {
        if (error instanceof TipAdapterError || systemCode(error) === undefined) throw error;
        const reason = entry.isSymbolicLink() ? linkReason(error) : systemReason(error);
        unreadable.push({ path, reason });
      }
    }
  };
  await walk('', [real], true);
  refused.twice.push(...[...followed].flatMap(([target, link]) => (own.has(target) ? [link] : [])));
  const findings = [...refusals(refused), ...unreadableFindings(unreadable), ...leftoverFindings(leftovers)];
  return { name: basename(root), root, ...grow(files, folders), hidden, findings, unreadable };
}

/** Why a link cannot be followed, in words. */
export function linkReason(error: unknown): string {
  return systemCode(error) === 'ENOENT' ? 'the link leads to nothing' : systemReason(error);
}

/** The place of an entry among the paths of all files, in natural order. */
const sortName = (entry: Dirent) => (entry.isFile() ? entry.name : `${entry.name}/`);

type Refused = Record<'outside' | 'loop' | 'again' | 'twice', string[]>;

function refusals({ outside, loop, again, twice }: Refused): Finding[] {
  const findings: Finding[] = [];
  const say = (code: string, paths: string[], one: string, many: string) => {
    if (paths.length > 0) findings.push(warning(code, `${count(paths.length, one, many)}.`, paths));
  };
  say(
    'link-outside',
    outside,
    'link is not followed, because it leads out of the folder; copy the file that is meant, or give --follow-links',
    'links are not followed, because they lead out of the folder; copy the files that are meant, or give --follow-links',
  );
  say(
    'link-loop',
    loop,
    'link is not followed, because it leads back to a folder around it',
    'links are not followed, because they lead back to folders around them',
  );
  say(
    'link-again',
    again,
    'link is not followed, because another link leads to the same folder',
    'links are not followed, because other links lead to the same folders',
  );
  say(
    'link-twice',
    twice,
    'link leads to a folder that is also read under its own name, so its pictures are read twice',
    'links lead to folders that are also read under their own names, so their pictures are read twice',
  );
  return findings;
}

function unreadableFindings(unreadable: readonly Unreadable[]): Finding[] {
  if (unreadable.length === 0) return [];
  const what = count(
    unreadable.length,
    'file or folder cannot be read and is',
    'files or folders cannot be read and are',
  );
  const paths = unreadable.map(({ path, reason }) => `${path}: ${reason}`);
  return [warning('unreadable', `${what} left out.`, paths)];
}
