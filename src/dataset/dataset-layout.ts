import type { SourceFile, Tree } from './tree.ts';
import type { Finding, Split, Unreadable } from './types.ts';

/** A picture with what its data set says about it. */
export interface LabelledFile {
  file: SourceFile;
  /** The id of its class; absent when it has none. */
  label?: string;
  split?: Split;
  /** What must not be split: a burst, views of one thing. */
  group?: string;
}

/** The labelled pictures of a tree, and what else a layout says about them. */
export interface Labelled {
  pictures: readonly LabelledFile[];
  /** Class ids, with those of classes that have no picture. */
  classIds: readonly string[];
  /** What they were read from, in words: `index.csv`. */
  layout: string;
  findings: readonly Finding[];
  /** Files that were read beside the pictures. Every other file that is not a picture is reported as left out. */
  files?: readonly SourceFile[];
  /** Pictures that are listed and not there. */
  absent?: readonly Unreadable[];
  /** Whether the pictures are listed, so that others in the tree are not part of the data. */
  isListed?: boolean;
  /** Class ids in the order of the source's own numbers, where it numbers them. */
  order?: readonly string[];
  /** Names to show, by class id. Default: the ids, with blanks for `_`. */
  names?: ReadonlyMap<string, string>;
}

/**
 * What a layout returns. Defaults: the classes are those of the pictures, the words are the layout's `about`, there are no findings.
 */
export type LayoutResult = Pick<Labelled, 'pictures'> & Partial<Labelled>;

/** A way in which pictures and their classes lie in a folder or a zip archive. */
export interface Layout {
  readonly id: string;
  /** What it looks like, in one line. */
  readonly about: string;
  /**
   * Returns the labelled pictures, or undefined where the tree is laid out otherwise; pictures are listed, not opened. Throws `DataError`
   * where it is this layout and something in it is wrong.
   */
  read(tree: Tree, options: { signal?: AbortSignal }): Promise<LayoutResult | undefined>;
}
