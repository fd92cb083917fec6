/** A class as the data and the person know it. */
export interface ClassInfo {
  /** Identity: as found in the data (folder name, value of the label column), in Unicode form NFC. */
  id: string;
  /** Shown to people. */
  name: string;
  /** Put into prompts for the text encoder. */
  promptName: string;
  /** Extra whole prompts for the text encoder. */
  prompts: string[];
}

/** What pictures are for: to learn from, to tune on, to test on. */
export type Split = 'train' | 'val' | 'test';

/** One picture with its label. Its bytes are read only when asked for. */
export interface Example {
  /** Unique and stable: relative path inside the source, with `/`. */
  id: string;
  /** Index into the data set's classes; -1 when unlabelled. */
  label: number;
  split?: Split;
  /** What must not be split: a burst, views of one picture, near-duplicates. */
  group?: string;
  /** Absolute path, where the picture lies in a file of its own. */
  path?: string;
  /** The encoded picture. Throws `DataError` when it cannot be read. */
  read(): Promise<Uint8Array>;
}

/** Labelled pictures with their classes, as `readDataset` gives them. */
export interface Dataset {
  name: string;
  /** Absolute path of the folder, table or archive it was read from. */
  root: string;
  classes: ClassInfo[];
  /** Classes in the source's own order, where it numbers them. */
  order?: number[];
  examples: Example[];
  /** What belongs to the data set and could not be read when its pictures were listed: it is not among the examples. */
  unreadable?: readonly Unreadable[];
  /** What was found, in words, and what was skipped. */
  findings: Finding[];
}

/** A file or folder that could not be read. */
export interface Unreadable {
  /** Relative to the root, as the ids of examples are. */
  path: string;
  /** Why, in words. */
  reason: string;
  /** The split that its source gives it. */
  split?: Split;
}

/** Something noticed about the data, in words and by a name for programs. */
export interface Finding {
  level: 'info' | 'warning';
  /** Stable machine-readable name, e.g. `dataset/not-images`. */
  code: string;
  message: string;
  paths?: string[];
}
