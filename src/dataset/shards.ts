import { dirname, relative, sep } from 'node:path';
import { openTar } from '../store/tar.ts';
import { sortNaturally } from './names.ts';
import { type Archive, archiveTree } from './source.ts';
import { grow, type Tree } from './tree.ts';

const isShard = ({ path }: { path: string }) => /\.tar$/i.test(path);

/** The files in the tar archives of a folder, if the folder has no pictures itself; otherwise the unchanged tree. */
export async function withShards(tree: Tree, signal?: AbortSignal): Promise<Tree> {
  const shards = tree.files.filter(isShard).flatMap(({ absolute }) => absolute ?? []);
  if (tree.top.total > 0 || shards.length === 0) return tree;
  const inside = await shardTree(tree.root, tree.root, shards, signal);
  const others = tree.files.filter((file) => !isShard(file));
  return {
    ...tree,
    ...grow(
      sortNaturally([...inside.files, ...others], ({ path }) => path),
      [],
    ),
    hidden: [...tree.hidden, ...inside.hidden],
    findings: [...tree.findings, ...inside.findings],
    unreadable: [...tree.unreadable, ...inside.unreadable],
  };
}

/** The files in the tar archives that a pattern with braces names. Undefined if it names no tar archives. */
export async function patternTree(pattern: string, signal?: AbortSignal): Promise<Tree | undefined> {
  const shards = expandBraces(pattern);
  const isPattern = shards.length > 1 && shards.every((path) => isShard({ path }));
  return isPattern ? shardTree(pattern, dirname(shards[0]!), shards, signal) : undefined;
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

/** The files of several tar archives. Each archive becomes a folder, named by its path below `base`. */
async function shardTree(
  root: string,
  base: string,
  shards: readonly string[],
  signal?: AbortSignal,
): Promise<Tree> {
  const files = new Map<string, Archive['read']>();
  const skipped: { name: string; reason: string }[] = [];
  for (const shard of shards) {
    const tar = await openTar(shard, { signal });
    const prefix = `${relative(base, shard).replaceAll(sep, '/')}/`;
    for (const { name } of tar.entries) files.set(prefix + name, () => tar.read(name));
    skipped.push(...tar.skipped.map(({ name, reason }) => ({ name: prefix + name, reason })));
  }
  const entries = Array.from(files.keys(), (name) => ({ name }));
  const read: Archive['read'] = (name) => files.get(name)!(name);
  return archiveTree(root, 'tar archives', { entries, skipped, read }, signal);
}
