import type { Products } from '../linalg/matrix-products.ts';
import { concatRows, type Matrix, row, rowRange, selectRows } from '../math/matrix.ts';
import { type Examples, meansWithout } from './whitened-examples.ts';
import { rowProducts, type Whitening, whiten } from './whitening.ts';

/** Cosines of q left-out examples in the inner product P. Each example itself has been taken out of the covariance of P. */
export interface LeftOut {
  /** The left-out examples and their classes, [q]. */
  readonly examples: Int32Array;
  readonly labels: Int32Array;
  /** Cosines with the class means of the other shots, [q, c]. */
  readonly means: Float64Array;
  /** Cosines with the names, and cosines of means and names with each other, [q, c]. They are absent without names. */
  readonly names?: Float64Array;
  readonly together?: Float64Array;
}

/** A larger number of left-out examples does not change the choice, and takes longer. */
const ENOUGH = 500;

/**
 * Compares each example with the class means of the other shots (leave-one-shot-out). The covariance S' = S - g e e^T lacks the example's
 * residual e, with g = K / ((K - 1) (n - c)) for K examples of its class. By the formula of Sherman and Morrison, <x, y>_P' = <x, y>_P + k
 * <x, u> <u, y> with u = P e and k = g' / (1 - g' <u, e>), g' = g / level.
 *
 * @param names centred text rows, [c, d]
 */
export async function leftOutCosines(
  given: Examples,
  whitening: Whitening,
  names: Matrix | undefined,
  products: Products,
): Promise<LeftOut> {
  const { labels, counts, present, centred, residuals } = given;
  const c = counts.length;
  const chosen = foldsLeftOut(given);
  const examples = Int32Array.from(chosen.flat());
  const size = examples.length * c;
  const means = new Float64Array(size);
  const [withNames, together] = names ? [new Float64Array(size), new Float64Array(size)] : [];
  let at = 0;
  for (const [fold, own] of chosen.entries()) {
    const [x, e, m] = [selectRows(centred, own), selectRows(residuals, own), meansWithout(given, fold)];
    const pairs = names ? concatRows([m, names]) : m;
    // All rows are one product with P, because each product sends P to the engine.
    const asked = concatRows([x, e, pairs]);
    const through = await whiten(asked, whitening, products);
    const n = own.length;
    const [px, u] = [rowRange(through, 0, n), rowRange(through, n, 2 * n)];
    const pm = rowRange(through, 2 * n, 2 * n + c);
    const [xx, xu, ue] = [rowProducts(px, x), rowProducts(x, u), rowProducts(u, e)];
    // Squared lengths of means and then of names in P, and products of examples and then of their residuals with both.
    const squares = rowProducts(rowRange(through, 2 * n, through.rows), pairs);
    const cross = await products.productT(rowRange(through, 0, 2 * n), pairs);
    const mt = names && rowProducts(pm, names);
    own.forEach((i, q) => {
      const count = counts[labels[i]!]!;
      const g = whitening.level > 0 ? count / ((count - 1) * (labels.length - present) * whitening.level) : 0;
      const k = g / (1 - g * ue[q]!);
      const length = Math.sqrt(xx[q]! + k * xu[q]! ** 2);
      const [fromX, fromE] = [row(cross, q), row(cross, n + q)];
      for (let label = 0; label < c; label++, at++) {
        const toMean = fromE[label]!;
        const meanLength = Math.sqrt(squares[label]! + k * toMean ** 2);
        means[at] = ratio(fromX[label]! + k * xu[q]! * toMean, length * meanLength);
        if (!mt || !withNames || !together) continue;
        const toName = fromE[c + label]!;
        const nameLength = Math.sqrt(squares[c + label]! + k * toName ** 2);
        withNames[at] = ratio(fromX[c + label]! + k * xu[q]! * toName, length * nameLength);
        together[at] = ratio(mt[label]! + k * toMean * toName, meanLength * nameLength);
      }
    });
  }
  return { examples, labels: examples.map((i) => labels[i]!), means, names: withNames, together };
}

/**
 * The root mean square of the cosines in P of each example with the examples of other classes, at one shot, where P whitens the covariance
 * around the centre. The example is taken out of the covariance and of the centre: with h = 1 / (n - 1), the centre without it is at
 * -h e from here, for its own distance e, and S' = S - (1 + h) h e e^T.
 */
export async function spreadBetween(
  { centred, labels }: Examples,
  whitening: Whitening,
  { productT, ...products }: Products,
): Promise<number> {
  const n = labels.length;
  const h = 1 / Math.max(1, n - 1);
  const gram = await productT(await whiten(centred, whitening, { productT, ...products }), centred);
  const at = (i: number, j: number) => gram.data[i * n + j]!;
  let squares = 0;
  let count = 0;
  for (let i = 0; i < n; i++) {
    const own = at(i, i);
    const g = whitening.level > 0 ? ((1 + h) * h) / whitening.level : 0;
    const k = g / (1 - g * own);
    for (let j = 0; j < n; j++) {
      if (labels[i] === labels[j]) continue;
      const product = at(i, j) + h * own;
      const length = at(j, j) + 2 * h * at(i, j) + h * h * own + k * product ** 2;
      squares += ratio(((1 + k * own) * product) ** 2, own * (1 + k * own) * length);
      count++;
    }
  }
  return count > 0 ? Math.sqrt(squares / count) : 0;
}

/** The left-out examples, fold by fold. */
export function foldsLeftOut({ labels, folds }: Examples): number[][] {
  const chosen: number[][] = [];
  for (let fold = 0, rows = 0; fold < folds.count && rows < ENOUGH; fold++) {
    const own = [...labels.keys()].filter((i) => folds.query[i] === fold);
    rows += own.length;
    chosen.push(own);
  }
  return chosen;
}

/** x / y, or 0 if y is 0. */
function ratio(x: number, y: number): number {
  return y > 0 ? x / y : 0;
}
