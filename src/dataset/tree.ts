import { isImagePath } from '../image/image-paths.ts';
import { sortNaturally } from './names.ts';
import type { Finding, Unreadable } from './types.ts';

/** A file of a source, wherever its bytes lie. */
export interface SourceFile {
  /** Relative to the source's root, with `/`. */
  path: string;
  /** Absolute path; absent inside an archive. */
  absolute?: string;
  read(): Promise<Uint8Array>;
}

/** A folder of a source, with what lies in it. */
export interface Folder {
  /** Relative to the source's root; '' or ends with `/`. */
  path: string;
  name: string;
  folders: Folder[];
  pictures: SourceFile[];
  /** Files that are no pictures, by their names. */
  others: SourceFile[];
  /** Pictures in it and below it. */
  total: number;
}

/** A tree of files: a folder on disk, a zip archive, or a table that is given itself. */
export interface Tree {
  name: string;
  root: string;
  top: Folder;
  /** The table that is given itself: the pictures that it lists may lie anywhere. */
  table?: SourceFile;
  /** All files below `top`, in natural order. */
  files: SourceFile[];
  /** Files whose own name, or a folder's on their way, begins with a dot: read only where a table lists them. */
  hidden: SourceFile[];
  findings: Finding[];
  /** Files and folders that could not be read when the tree was listed. */
  unreadable: readonly Unreadable[];
}

/** Several layouts look at the same things of a tree: each is found out once. */
export function oncePerTree<T>(
  read: (tree: Tree, signal?: AbortSignal) => Promise<T>,
): (tree: Tree, signal?: AbortSignal) => Promise<T> {
  const known = new WeakMap<Tree, Promise<T>>();
  return (tree, signal) => {
    const found = known.get(tree) ?? read(tree, signal);
    known.set(tree, found);
    return found;
  };
}

/** The folders that the paths of files, which are in natural order, and of folders make. */
export function grow(files: SourceFile[], folders: readonly string[]): Pick<Tree, 'top' | 'files'> {
  const known = new Map<string, Folder>();
  const folderAt = (path: string): Folder => {
    const before = known.get(path);
    if (before) return before;
    const name = path.slice(path.lastIndexOf('/', path.length - 2) + 1, -1);
    const folder: Folder = { path, name, folders: [], pictures: [], others: [], total: 0 };
    known.set(path, folder);
    if (path !== '') folderAt(path.slice(0, path.length - name.length - 1)).folders.push(folder);
    return folder;
  };
  const top = folderAt('');
  for (const path of folders) folderAt(`${path}/`);
  for (const file of files) {
    const folder = folderAt(file.path.slice(0, file.path.lastIndexOf('/') + 1));
    (isImagePath(file.path) ? folder.pictures : folder.others).push(file);
  }
  const finish = (folder: Folder): number => {
    folder.folders = sortNaturally(folder.folders, ({ name }) => name);
    folder.total = folder.folders.reduce((sum, inner) => sum + finish(inner), folder.pictures.length);
    return folder.total;
  };
  finish(top);
  return { top, files };
}
