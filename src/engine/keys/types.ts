import { UsageError } from '../../errors.ts';
import type { Matrix } from '../../math/matrix.ts';

/** Keys of a cache that stay in a file: rows of any length, one after the other, in half precision or in 8 bits. */
export interface KeyFile {
  readonly path: string;
  /** What tells the file from another that took its place, as `fileIdentity` gives it. */
  readonly identity: string;
  /** Byte at which the first row begins. */
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  readonly dtype: 'float16' | 'int8';
  /** In 8 bits: one unit of each column, [cols], and 1 / length of each row, [rows]. */
  readonly steps?: Float32Array;
  readonly scales?: Float32Array;
}

/** A cache whose keys are read page by page whenever it is asked: memory holds pages and sums, never the keys. */
export interface KeyCache {
  /** Sum over each class's keys of exp(-beta (1 - cosine)) (Tip-Adapter, eq. 3-5), [m, classes], for embeddings [m, d] of any length. */
  classSums(features: Matrix, beta: number, signal?: AbortSignal): Promise<Matrix>;
  /** The same of every key alone, [rows], for one embedding. */
  votes(feature: Float32Array, beta: number, signal?: AbortSignal): Promise<Float32Array>;
  close(): Promise<void>;
}

/** A part of a file's keys, with the classes of its rows: what a thread answers for. */
export interface KeyPart extends KeyFile {
  readonly labels: Int32Array;
  readonly classes: number;
}

/** Reads a file's bytes from `position` on into `into`; gives how many there were. */
export interface FileReader {
  read(into: Uint8Array, position: number): number;
  close(): void;
}

/** What engines without files say. */
export function noFiles(): never {
  throw new UsageError('Only Node can read keys from files', {
    code: 'engine/files',
    hint: 'For use in a page, fit the classifier with fewer examples.',
  });
}
