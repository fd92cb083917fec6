import type { Dirent, Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { systemCode, TipAdapterError, throwIfAborted } from '../errors.ts';
import { kindOf } from '../store/regular.ts';
import { systemReason } from '../system-error.ts';
import { count } from '../words.ts';
import { diskFile, FolderFile } from './disk-file.ts';
import { warning } from './findings.ts';
import { leftoverFindings } from './left-out.ts';
import { isHidden, isLeftover } from './leftovers.ts';
import { sortNaturally } from './names.ts';
import { grow, type SourceFile, type Tree } from './tree.ts';
import type { Finding, Unreadable } from './types.ts';

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

/** The reason why a link cannot be followed, in words. */
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
