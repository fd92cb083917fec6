import type { LabelledRows } from '../dataset/feature-dump.ts';
import type { KnownDataset } from '../dataset/known.ts';
import type { CacheDefaults } from '../encoder/types.ts';
import type { Support, Task, TextHead } from '../methods/task.ts';

/** Rows that a fitted method is tested on. */
export interface TestRows extends LabelledRows {
  /** What they are called beside others of the same fit: `base`, `ImageNet-V2`; '' where there are no others. */
  readonly on: string;
  /** The classes that are answered among, where it is not all of them. */
  readonly among?: readonly number[];
}

/** Data that cells of a benchmark draw from: features, whether they were encoded here or brought. */
export interface BenchSource {
  readonly name: string;
  readonly known?: KnownDataset;
  readonly encoder: string;
  /** Decides, with a cell's settings, whether a finished cell is this one. */
  readonly fingerprint: string;
  readonly classes: readonly string[];
  /** Classes in the source's own order. */
  readonly order: readonly number[];
  readonly dimension: number;
  readonly head?: TextHead;
  /** The head of one prompt a class, where `head` has several. */
  readonly plainHead?: TextHead;
  readonly textTower?: Task['textTower'];
  readonly defaults: CacheDefaults;
  /** Whether a seed draws other examples. */
  readonly seeded: boolean;
  /** Whether examples of that number can be drawn, from at least one class. */
  has(shots: number): boolean;
  draw(shots: number, seed: number): Support | undefined;
  readonly val?: LabelledRows;
  /** The rows that are reported, for a draw; `how` says which they are. */
  testRows(support: Support): readonly [TestRows, ...TestRows[]];
  /** Whether those rows are others for another draw. */
  readonly testsByDraw?: boolean;
  readonly how: string;
  /** Encoding a picture, without what was known before. */
  readonly encodeMilliseconds?: number;
  /** Pictures and folders that belong to the data and could not be read: no figure is about them. */
  readonly unread?: readonly string[];
  /** What is odd about the data, in words. */
  readonly notes: readonly string[];
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
  /** Largest number of examples that will be drawn, and the seeds they are drawn by. */
  readonly shots: number;
  readonly seeds: readonly number[];
  /** Views of each example: 1, or the paper's 10. */
  readonly views?: number;
  /** Whether the validation split will be needed. */
  readonly validation?: boolean;
  /** A test set only, without examples. */
  readonly testOnly?: boolean;
  readonly signal?: AbortSignal;
  note?(line: string): void;
  onProgress?(progress: { done: number; total: number }): void;
}
