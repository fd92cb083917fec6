import type { KeyFile } from '../engine/keys/types.ts';
import type { Matrix } from '../math/matrix.ts';

/** Features of examples that stay in a file. `data` reads all of them. A cache that computes votes page by page does not use it. */
export interface FileRows extends Matrix {
  readonly file: KeyFile;
  /** Reads only row i. */
  row(i: number): Float32Array;
}

export function isInFile(features: Matrix): features is FileRows {
  return 'file' in features;
}
