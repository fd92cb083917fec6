import { UsageError } from '../../errors.ts';
import type { Matrix } from '../../math/matrix.ts';

/** Keys of a cache that stay in a file: `rows` rows of `cols` numbers, one after the other, in half precision or 8 bits. They need not be unit rows. */
export interface KeyFile {
  readonly path: string;
  /** Name of the tensor, for errors. */
  readonly name: string;
  /** Tells this file from another one that takes its name later; `fileIdentity` gives it. */
  readonly identity: string;
  /** Position of the first row in the file, in bytes. */
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  readonly dtype: 'float16' | 'int8';
  /** Only for 8-bit keys: `steps` is the unit of each column, [cols], and `scales` is 1 / length of each row, [rows]. */
  readonly steps?: Float32Array;
  readonly scales?: Float32Array;
  /** Sha256 of each page, [pages, 32], of pages that are not verified yet. Without it, all have been. */
  readonly hashes?: Uint8Array;
}

/** A cache whose keys are read page by page for every query. Memory holds one page of each thread and the sums, never all keys. */
export interface KeyCache {
  /** Sum over each class's keys of exp(-beta (1 - cosine)) (Tip-Adapter, eq. 3-5), [m, classes], for features [m, d], which need not be unit rows. */
  classSums(features: Matrix, beta: number, signal?: AbortSignal): Promise<Matrix>;
  /** exp(-beta (1 - cosine)) of one feature [d] with each key, [rows]. */
  votes(feature: Float32Array, beta: number, signal?: AbortSignal): Promise<Float32Array>;
  close(): Promise<void>;
}

/** The part of a file's keys that one thread answers for, with the class of each row. */
export interface KeyPart extends KeyFile {
  readonly labels: Int32Array;
  readonly classes: number;
}

/** Reads a file's bytes from `position` on into `into`; returns how many were read. */
export interface FileReader {
  read(into: Uint8Array, position: number): number;
  close(): void;
}

/** Throws the `UsageError` of an engine that cannot read files. */
export function noFiles(): never {
  throw new UsageError('Only Node can read keys from files', {
    code: 'engine/files',
    hint: 'For use in a page, fit the classifier with fewer examples.',
  });
}
