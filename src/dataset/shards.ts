import { dirname, relative, resolve, sep } from 'node:path';
import { openZip } from '../store/zip.ts';
import { count } from '../words.ts';
import { archiveStem, isTarName, isZipName } from './archive-names.ts';
import { type Archive, type ArchiveOptions, archiveTree } from './archive-tree.ts';
import { info } from './findings.ts';
import { sortNaturally } from './names.ts';
import { grow, type Tree } from './tree.ts';

const isArchive = ({ path }: { path: string }) => isTarName(path) || isZipName(path);

/** The files in the tar and zip archives of a folder, if the folder has no pictures itself; otherwise the unchanged tree. */
export async function withArchives(tree: Tree, options: ArchiveOptions): Promise<Tree> {
  const archives = tree.files.filter(isArchive).flatMap(({ absolute }) => absolute ?? []);
  if (tree.top.total > 0 || archives.length === 0) return tree;
  const inside = await archivesTree(tree.root, tree.root, archives, options);
  const others = tree.files.filter((file) => !isArchive(file));
  const opened = info(
    'archives',
    `The pictures are read from ${count(archives.length, 'archive')}.`,
    archives,
  );
  return {
    ...tree,
    ...grow(
      sortNaturally([...inside.files, ...others], ({ path }) => path),
      [],
    ),
    hidden: [...tree.hidden, ...inside.hidden],
    findings: [...tree.findings, opened, ...inside.findings],
    unreadable: [...tree.unreadable, ...inside.unreadable],
  };
}

/** Whether a text is a pattern with braces that names several tar archives. */
export function isShardPattern(pattern: string): boolean {
  const shards = expandBraces(pattern);
  return shards.length > 1 && shards.every(isTarName);
}

/** The files in the tar archives that a pattern with braces names. Undefined if it names no tar archives. */
export async function patternTree(pattern: string, options: ArchiveOptions): Promise<Tree | undefined> {
  const shards = expandBraces(pattern);
  return isShardPattern(pattern) ? archivesTree(pattern, dirname(shards[0]!), shards, options) : undefined;
}

const MOST_SHARDS = 100_000;

/** The paths of a pattern with ranges and lists in braces: `train-{000000..000146}.tar`, `{train,val}.tar`. */
function expandBraces(pattern: string): string[] {
  const [whole, inner] = /\{([^{}]*)\}/.exec(pattern) ?? [];
  if (whole === undefined || inner === undefined) return [pattern];
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(inner) ?? [];
  const n = Number(to) - Number(from) + 1;
  if (n > MOST_SHARDS) return [pattern];
  const parts =
    from === undefined
      ? inner.split(',')
      : Array.from({ length: Math.max(n, 0) }, (_, i) => String(Number(from) + i).padStart(from.length, '0'));
  return parts.flatMap((part) => expandBraces(pattern.replace(whole, () => part)));
}

/** The files of several archives. Each archive becomes a folder, named by its path below `base`. The name of a zip loses its ending. */
async function archivesTree(
  root: string,
  base: string,
  paths: readonly string[],
  options: ArchiveOptions,
): Promise<Tree> {
  const files = new Map<string, { path: string; read(): Promise<Uint8Array> }>();
  const folders: string[] = [];
  const skipped: { name: string; reason: string }[] = [];
  const guessed: string[] = [];
  for (const given of paths) {
    const path = resolve(given);
    const archive: Archive = isZipName(path)
      ? await openZip(path, { signal: options.signal, encoding: options.zipEncoding })
      : await (await import('../store/tar.ts')).openTar(path, options);
    const own = relative(base, given).replaceAll(sep, '/');
    const prefix = `${isZipName(path) ? archiveStem(own) : own}/`;
    for (const { name } of archive.entries)
      files.set(prefix + name, { path, read: () => archive.read(name) });
    folders.push(...(archive.folders ?? []).map((name) => prefix + name));
    skipped.push(...archive.skipped.map(({ name, reason }) => ({ name: prefix + name, reason })));
    guessed.push(...(archive.guessed ?? []).map((name) => prefix + name));
  }
  const entries = Array.from(files.keys(), (name) => ({ name }));
  const read: Archive['read'] = (name) => files.get(name)!.read();
  const pathOf = (name: string) => files.get(name)!.path;
  return archiveTree(root, 'archives', { entries, folders, skipped, guessed, pathOf, read }, options.signal);
}
