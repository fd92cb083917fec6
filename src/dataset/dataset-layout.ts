import type { SourceFile, Tree } from './tree.ts';
import type { Finding, Split, Unreadable } from './types.ts';

/** A picture with its class, split and group. */
export interface LabelledFile {
  file: SourceFile;
  /** Id of its class. Absent for a picture without a label. */
  label?: string;
  split?: Split;
  /** Name of its group: pictures of one group (a burst, several photos of one object) never get into two splits. */
  group?: string;
}

/** The labelled pictures of a tree, with their classes and the findings of the layout. */
export interface Labelled {
  pictures: readonly LabelledFile[];
  /** Class ids, including classes without a picture. */
  classIds: readonly string[];
  /** Name of what they were read from, for messages: `index.csv`. */
  layout: string;
  findings: readonly Finding[];
  /** Files other than pictures that were read. All remaining files are reported as left out. */
  files?: readonly SourceFile[];
  /** Listed pictures that do not exist. */
  absent?: readonly Unreadable[];
  /** Whether a file lists the pictures. Pictures that it does not list are then not part of the data. */
  isListed?: boolean;
  /** The title of the column that the classes were read from, if it is one column. */
  column?: string;
  /** Whether the columns that were read are those that the user named. */
  isNamed?: boolean;
  /** Whether each picture is a marked part of a picture. */
  isCropped?: boolean;
  /** Class ids in the order of the source's own numbers, if it numbers its classes. */
  order?: readonly string[];
  /** Shown names by class id. Default: the ids, with blanks for `_`. */
  names?: ReadonlyMap<string, string>;
}

/**
 * What a layout returns. Only `pictures` is required. Defaults: `classIds` are the labels of the pictures, `layout` is the layout's
 * `about`, and there are no findings.
 */
export type LayoutResult = Pick<Labelled, 'pictures'> & Partial<Labelled>;

/** A reader of one arrangement of pictures and classes in a folder or a zip archive. `registerLayout` adds one. */
export interface Layout {
  readonly id: string;
  /** Description of the arrangement in one line. */
  readonly about: string;
  /**
   * Returns the labelled pictures of a tree, or undefined if the tree has another layout. Pictures are listed, not opened. Throws
   * `DataError` if the tree has this layout and something in it is wrong.
   */
  read(tree: Tree, options: { signal?: AbortSignal }): Promise<LayoutResult | undefined>;
}
