import type { LabelledRows } from '../dataset/feature-dump.ts';
import type { Grouping } from '../dataset/grouping.ts';
import type { KnownDataset } from '../dataset/known.ts';
import type { ReadValues } from '../dataset/read-options.ts';
import type { Dataset } from '../dataset/types.ts';
import type { CacheDefaults } from '../encoder/types.ts';
import type { Support, Task, TextHead } from '../methods/task.ts';

/** Rows that a fitted method is tested on. */
export interface TestRows extends LabelledRows {
  /** Their name, if a fit is tested on several sets of rows: `base`, `ImageNet-V2`. Otherwise ''. */
  readonly on: string;
  /** The classes that are possible answers. Absent for all classes. */
  readonly among?: readonly number[];
}

/** The data of a benchmark's cells: features of encoded pictures, or given features. */
export interface BenchSource {
  readonly name: string;
  readonly known?: KnownDataset;
  readonly encoder: string;
  /** Identifies the data. Together with a cell's settings it identifies a finished cell. */
  readonly fingerprint: string;
  readonly classes: readonly string[];
  /** Classes in the source's own order. */
  readonly order: readonly number[];
  readonly dimension: number;
  readonly head?: TextHead;
  /** The text head of one prompt for each class, if `head` has several. */
  readonly plainHead?: TextHead;
  readonly textTower?: Task['textTower'];
  readonly projection?: Task['projection'];
  readonly defaults: CacheDefaults;
  /** Whether the draw of examples depends on the seed. */
  readonly seeded: boolean;
  /** Whether at least one class has this number of examples. */
  has(shots: number): boolean;
  draw(shots: number, seed: number): Support | undefined;
  readonly val?: LabelledRows;
  /** Returns the test rows for a draw. `how` describes them. */
  testRows(support: Support): readonly [TestRows, ...TestRows[]];
  /** Whether the test rows depend on the draw. */
  readonly testsByDraw?: boolean;
  readonly how: string;
  /** Time to encode a picture without the feature cache. */
  readonly encodeMilliseconds?: number;
  /** Pictures and folders of the data that could not be read. No figure includes them. */
  readonly unread?: readonly string[];
  /** Notes about test pictures that are left out, because something has learnt from them. No figure includes them. */
  readonly leftOut?: readonly string[];
  /** Notes about peculiarities of the data. */
  readonly notes: readonly string[];
  /** Those of them that were known when `onRead` was called. */
  readonly readNotes?: readonly string[];
  /** Closes the text tower, after the last fit. */
  close?(): Promise<void>;
}

export function isImageNet({ known }: Pick<BenchSource, 'known'>): boolean {
  return known?.id === 'imagenet';
}

/** Whether the published code searches alpha and beta on the validation split of such data, and not on the reported rows. */
export function searchesValidation(source: Pick<BenchSource, 'known' | 'val'>): boolean {
  return source.val !== undefined && !isImageNet(source);
}

export interface OpenOptions {
  readonly encoder: string;
  /** The methods that are compared. `auto` takes an encoder that has the parts that they learn from, if one is on this machine. */
  readonly methods?: readonly string[];
  /** The largest number of examples to draw, and the seeds of the draws. */
  readonly shots: number;
  readonly seeds: readonly number[];
  /** Number of views of each example: 1, or the paper's 10. */
  readonly views?: number;
  /** The rule by which pictures are grouped, in addition to the groups of the data. */
  readonly groupBy?: Grouping;
  /** Whether the validation split is needed. */
  readonly validation?: boolean;
  /** Whether the data are only a test set, without examples. */
  readonly testOnly?: boolean;
  /** How pictures are read. */
  readonly reading?: Partial<ReadValues>;
  readonly signal?: AbortSignal;
  note?(line: string): void;
  /** Called with the data set that was read, before its pictures are encoded. */
  onRead?(dataset: Dataset): Promise<void>;
  onProgress?(progress: { done: number; total: number }): void;
}
