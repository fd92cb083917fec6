import type { Products } from '../linalg/matrix-products.ts';
import { type Matrix, row, rowRange, topK } from '../math/matrix.ts';

/** A picture's neighbours among the pictures of a batch, the nearest first, with their cosines. */
export interface Neighbour {
  readonly index: number;
  readonly cosine: number;
}

/** Largest number of cosines that are kept at a time. */
const AT_ONCE = 1 << 22;

/**
 * The `k` nearest of unit rows [m, d] for each of `from` [r, d], or fewer if there are not so many. `from` may be the same matrix: a row is
 * not its own neighbour then.
 */
export async function nearest(
  from: Matrix,
  rows: Matrix,
  k: number,
  products: Products,
): Promise<Neighbour[][]> {
  const found: Neighbour[][] = [];
  const height = Math.max(1, Math.floor(AT_ONCE / rows.rows));
  for (let start = 0; start < from.rows; start += height) {
    const count = Math.min(height, from.rows - start);
    const cosines = await products.productT(rowRange(from, start, start + count), rows);
    for (let i = 0; i < count; i++) {
      const values = row(cosines, i);
      // A row of the same matrix has itself among the first k + 1, unless as many others are equal to it.
      const own = from === rows ? start + i : -1;
      const others = topK(values, k + 1).filter((j) => j !== own);
      found.push(others.slice(0, k).map((index) => ({ index, cosine: values[index]! })));
    }
  }
  return found;
}
