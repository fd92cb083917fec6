import type { KeyFile } from '../engine/keys/types.ts';
import type { Matrix } from '../math/matrix.ts';

/** Examples' features that stay in a file. `data` reads them all; a cache that answers page by page never asks for it. */
export interface FileRows extends Matrix {
  readonly file: KeyFile;
  /** Row i, read alone. */
  row(i: number): Float32Array;
}

export function isInFile(features: Matrix): features is FileRows {
  return 'file' in features;
}
