import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { systemCode, TipAdapterError, throwIfAborted } from '../errors.ts';
import { type FileUse, PICTURE, readRegular } from '../store/regular.ts';
import { openZip } from '../store/zip.ts';
import type { Finding } from './types.ts';
import { count, warning } from './wording.ts';

/** A file of a source, wherever its bytes lie. */
export interface SourceFile {
  /** Relative to the source's root, with `/`. */
  path: string;
  /** Absolute path; absent inside an archive. */
  absolute?: string;
  read(): Promise<Uint8Array>;
}

/** A tree of files: a folder on disk or a zip archive, without hidden and system files. */
export interface Tree {
  name: string;
  root: string;
  files: SourceFile[];
  /** Relative paths of all folders, empty ones included. */
  folders: string[];
  findings: Finding[];
}

/** What operating systems leave behind in folders and archives. */
const SYSTEM_NAMES = new Set(['__macosx', 'thumbs.db', 'desktop.ini', '@eadir']);

function isIgnored(name: string): boolean {
  return name.startsWith('.') || SYSTEM_NAMES.has(name.toLowerCase());
}

/** A picture or a table of a data set. */
const LISTED: FileUse = {
  ...PICTURE,
  area: 'dataset',
  hint: 'Check that the file still exists and that you may read it.',
};

/** A file on disk under the name by which the source calls it. */
export function diskFile(path: string, absolute: string): SourceFile {
  return { path, absolute, read: () => readRegular(absolute, LISTED) };
}

/** The files of a zip archive; unsafe ones are left out and said. */
export async function zipTree(path: string): Promise<Tree> {
  const archive = await openZip(path);
  const files: SourceFile[] = [];
  const folders = new Set<string>();
  const addFolders = (parts: string[]) => {
    for (let depth = 1; depth <= parts.length; depth++) folders.add(parts.slice(0, depth).join('/'));
  };
  for (const { name } of archive.entries) {
    const parts = name.split('/');
    if (parts.some(isIgnored)) continue;
    addFolders(parts.slice(0, -1));
    files.push({ path: name, read: () => archive.read(name) });
  }
  for (const parts of archive.folders.map((folder) => folder.split('/'))) {
    if (!parts.some(isIgnored)) addFolders(parts);
  }
  const name = basename(path).replace(/\.zip$/i, '');
  return { name, root: resolve(path), files, folders: [...folders], findings: unsafe(archive.skipped) };
}

function unsafe(skipped: readonly { name: string; reason: string }[]): Finding[] {
  if (skipped.length === 0) return [];
  const entries = count(skipped.length, 'entry', 'entries');
  const paths = skipped.map(({ name, reason }) => `${name}: ${reason}`);
  return [warning('zip-unsafe', `${entries} of the zip cannot be used safely: left out.`, paths)];
}

/**
 * The files below a folder. Links are followed as long as they stay inside the folder and do not lead back to where they
 * are; the others, and folders that may not be read, are left out and said.
 */
export async function folderTree(folder: string, signal?: AbortSignal): Promise<Tree> {
  const root = resolve(folder);
  const real = await realpath(root);
  const files: SourceFile[] = [];
  const folders: string[] = [];
  const refused = { outside: [] as string[], loop: [] as string[], unreadable: [] as string[] };

  /** `trail` holds the real paths from the root down to this folder. */
  const walk = async (prefix: string, trail: string[]): Promise<void> => {
    throwIfAborted(signal);
    const entries = await readdir(trail[trail.length - 1], { withFileTypes: true });
    for (const entry of entries) {
      if (isIgnored(entry.name)) continue;
      const path = prefix + entry.name;
      let target = join(trail[trail.length - 1], entry.name);
      let found: { isFile(): boolean; isDirectory(): boolean } = entry;
      try {
        if (entry.isSymbolicLink()) {
          target = await realpath(target);
          found = await stat(target);
        }
        if (target !== real && !target.startsWith(real.endsWith(sep) ? real : real + sep)) {
          refused.outside.push(path);
        } else if (found.isFile()) {
          files.push(diskFile(path, join(root, path)));
        } else if (trail.includes(target)) {
          refused.loop.push(path);
        } else if (found.isDirectory()) {
          folders.push(path);
          await walk(`${path}/`, [...trail, target]);
        } else {
          refused.unreadable.push(path);
        }
      } catch (error) {
        if (error instanceof TipAdapterError || systemCode(error) === undefined) throw error;
        refused.unreadable.push(path);
      }
    }
  };
  await walk('', [real]);
  return { name: basename(root), root, files, folders, findings: refusals(refused) };
}

function refusals(refused: Record<'outside' | 'loop' | 'unreadable', string[]>): Finding[] {
  const { outside, loop, unreadable } = refused;
  const findings: Finding[] = [];
  if (outside.length > 0) {
    const links = count(outside.length, 'link leads', 'links lead');
    findings.push(
      warning('link-outside', `${links} out of the folder: not followed. Copy what is meant.`, outside),
    );
  }
  if (loop.length > 0) {
    const links = count(loop.length, 'link leads', 'links lead');
    findings.push(warning('link-loop', `${links} back to a folder around it: not followed.`, loop));
  }
  if (unreadable.length > 0) {
    const entries = count(unreadable.length, 'file or folder', 'files or folders');
    findings.push(
      warning(
        'unreadable',
        `${entries} cannot be read (a broken link, no permission, or no regular file): left out.`,
        unreadable,
      ),
    );
  }
  return findings;
}
