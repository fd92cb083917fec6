import type { StoredFeature } from '../encoder/types.ts';

/** A class with its id, its names and its prompts. */
export interface ClassInfo {
  /** The name in the data (of the folder, or in the label column), in Unicode form NFC. It identifies the class. */
  id: string;
  /** The name that is shown. */
  name: string;
  /** The name in prompts for the text encoder. */
  promptName: string;
  /** Further complete prompts for the text encoder. */
  prompts: string[];
}

/** A part of a data set: `train` to learn from, `val` to tune on, `test` to test on. */
export type Split = 'train' | 'val' | 'test';

/** One picture with its label. Only `read` reads its bytes. */
export interface Example {
  /** Unique and stable: relative path inside the source, with `/`. */
  id: string;
  /** Index into the data set's classes; -1 when unlabelled. */
  label: number;
  split?: Split;
  /** Name of its group (a burst, views of one picture, near-duplicates). No split and no fold separates a group. */
  group?: string;
  /** Absolute path, if the picture is a file of its own. */
  path?: string;
  /** Absolute path of the archive or Parquet file that holds the picture. */
  within?: string;
  /** Changes whenever the picture does. Absent for files on disk. */
  tag?: string;
  /** Its features, if `tip-adapter embed` stored them. */
  stored?: StoredFeature;
  /** Returns the bytes of the picture file. Call it on the example: `example.read()`. Throws `DataError` if it cannot be read. */
  read(): Promise<Uint8Array>;
}

/** Labelled pictures with their classes, as `readDataset` returns them. */
export interface Dataset {
  name: string;
  /** Absolute path of the folder, table or archive it was read from. */
  root: string;
  /** The source of the classes, in words: `<class>/ folders`, `index.csv`. */
  layout?: string;
  classes: ClassInfo[];
  /** Class ids in the source's own order, if it numbers its classes. */
  order?: number[];
  examples: Example[];
  /** Id of the encoder of the examples' stored features, if they have such features. */
  encoder?: string;
  /** Files and folders of the data set that could not be read when its pictures were listed. They are not among the examples. */
  unreadable?: readonly Unreadable[];
  /** Remarks about the data, among them which files were left out and why. */
  findings: Finding[];
}

/** A file or folder that could not be read. */
export interface Unreadable {
  /** Path relative to the root, like the ids of examples. */
  path: string;
  /** The reason why it could not be read, in words. */
  reason: string;
  /** Its split in the source. */
  split?: Split;
}

/** A remark about data that does not stop the work: a message for people and a code for programs. */
export interface Finding {
  level: 'info' | 'warning';
  /** Stable machine-readable name, e.g. `dataset/not-images`. */
  code: string;
  message: string;
  paths?: string[];
}
