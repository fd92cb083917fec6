import { mul } from '../graph/elementwise.ts';
import { type Expr, knownSize } from '../graph/expression.ts';
import { concat, slice } from '../graph/layout.ts';
import { unit } from '../graph/products.ts';
import type { Matrix } from '../math/matrix.ts';

/**
 * The last linear map of an image tower, from its pre-projection features x to the embedding x P. Rows of features then have both, each as a
 * unit row times the root of a half: [unit(x P), unit(x)] / sqrt 2. Rows of texts have zeros in the columns of x, and the logit scale is
 * sqrt 2 times the encoder's, so that zero-shot scores are the encoder's own.
 */
export interface Projection {
  /** P, [w, d]. */
  readonly weight: Matrix;
  /** Number of last rows of P that are a bias: 1 if x ends with a 1, otherwise 0. */
  readonly bias: 0 | 1;
}

/** The factor of the two parts of a row. */
const SHARE = Math.SQRT1_2;

/** The factor of the encoder's logit scale: only one of the two parts of a picture's row is compared with a text. */
export const PROJECTED_SCALE = 1 / SHARE;

/** The rows [n, d + w] of embeddings [n, d] and the pre-projection features [n, w] that they were computed from. */
export function rowsWithFeatures(embeddings: Expr, features: Expr): Expr {
  return concat([mul(unit(embeddings), SHARE), mul(unit(features), SHARE)], 1);
}

/** The pre-projection features in the rows [n, d + w] of embeddings of `d` numbers: unit rows [n, w], times a number. */
export function featuresIn(rows: Expr, d: number): Expr {
  return slice(rows, 1, d, knownSize('featuresIn', rows, 1));
}
