import { isImagePath } from '../image/image-paths.ts';
import { sortNaturally } from './names.ts';
import type { ReadValues } from './read-options.ts';
import type { Example, Finding, Unreadable } from './types.ts';

/** A file of a source, on disk or in an archive. */
export interface SourceFile {
  /** Path relative to the source's root, with `/`. */
  path: string;
  /** Absolute path; absent inside an archive. */
  absolute?: string;
  /** Absolute path of the archive or Parquet file that holds it. */
  within?: string;
  /** Changes whenever the bytes do. Absent for a file on disk whose bytes are not known. */
  tag?: string;
  /** Returns the bytes of the file. Call it on the file: `file.read()`. */
  read(): Promise<Uint8Array>;
  /** One function that reads the examples of all files of a source, by their ids or paths. A million functions would take memory. */
  readExample?: Example['read'];
}

/** A folder of a source with its contents. */
export interface Folder {
  /** Path relative to the source's root. '' or ends with `/`. */
  path: string;
  name: string;
  folders: Folder[];
  pictures: SourceFile[];
  /** Files whose names are not those of pictures. */
  others: SourceFile[];
  /** Number of pictures in the folder and its sub-folders. */
  total: number;
}

/** A tree of files: a folder on disk, a zip archive, or a table whose own path is given. */
export interface Tree {
  name: string;
  root: string;
  top: Folder;
  /** The table whose own path is given. The pictures that it lists may lie anywhere. */
  table?: SourceFile;
  /** All files below `top`, in natural order. */
  files: SourceFile[];
  /** Files with a name or a folder that begins with a dot. They are read only if a table lists them. */
  hidden: SourceFile[];
  findings: Finding[];
  /** Files and folders that could not be read when the tree was listed. */
  unreadable: readonly Unreadable[];
  /** The options that the user gave for reading the tree. */
  options?: Readonly<Partial<ReadValues>>;
}

/** Caches a function of a tree, because several layouts ask for the same result. */
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

/** Builds the folders from the paths of files (in natural order) and of empty folders. */
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
