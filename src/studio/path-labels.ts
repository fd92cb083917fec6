import { namesNoClass } from '../dataset/folder-checks.ts';
import { planFolders, readClassFolders } from '../dataset/folders.ts';
import { sortNaturally } from '../dataset/names.ts';
import { heldOut } from '../dataset/split.ts';
import { grow } from '../dataset/tree.ts';
import { DataError } from '../errors.ts';

/** The label of a picture by the folders on its path. */
export interface PathLabel {
  /** The name of its class; undefined if it is not sorted. */
  readonly className?: string;
  /** Whether it is in a held-out split, and so not learnt from. */
  readonly isHeldOut?: boolean;
}

/**
 * The labels of pictures by the folders on their paths, by the layouts of data sets. If the folders have no known layout, the innermost
 * folder is the class, unless it has the name of a split or of a part of a layout.
 */
export function pathLabels(paths: readonly string[]): ReadonlyMap<string, PathLabel> {
  const files = sortNaturally(paths, (path) => path).map((path) => ({ path, read: noBytes }));
  const tree = { name: '', root: 'The folder', ...grow(files, []), hidden: [], findings: [], unreadable: [] };
  try {
    const { pictures } = readClassFolders(tree, planFolders(tree));
    const isHeldOut = heldOut(pictures);
    return new Map(
      pictures.map((picture) => {
        const { file, label } = picture;
        return [file.path, { className: label && shown(label), isHeldOut: isHeldOut(picture) }];
      }),
    );
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return new Map(paths.map((path) => [path, { className: innermost(path) }]));
  }
}

function innermost(path: string): string | undefined {
  const folder = path.split('/').at(-2);
  return folder === undefined || namesNoClass(folder) ? undefined : shown(folder);
}

const shown = (name: string) => name.replaceAll('_', ' ');

const noBytes = async () => new Uint8Array();
