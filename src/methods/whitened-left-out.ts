import type { Products } from '../linalg/matrix-products.ts';
import { type Matrix, selectRows } from '../math/matrix.ts';
import { type Examples, meansWithout } from './whitened-examples.ts';
import { rowProducts, type Whitening, whiten } from './whitening.ts';

/** What left-out examples are like, q of them: cosines in the inner product P, from whose covariance each example itself was taken. */
export interface LeftOut {
  /** Which examples they are, and of which class, [q]. */
  readonly examples: Int32Array;
  readonly labels: Int32Array;
  /** With the class means of the other shots, [q, c]. */
  readonly means: Float64Array;
  /** With the names, and of means and names with each other, [q, c]; absent without names. */
  readonly names?: Float64Array;
  readonly together?: Float64Array;
}

/** More left-out examples do not change what is chosen, only its price. */
const ENOUGH = 4000;

/**
 * Each example is compared with the means of the other shots (leave-one-shot-out). The covariance S' = S - g e e^T lacks its residual e, with
 * g = K / ((K - 1) (n - c)) for K examples of its class. By Sherman and Morrison's formula
 * <x, y>_P' = <x, y>_P + k <x, u> <u, y> with u = P e and k = g' / (1 - g' <u, e>), g' = g / level.
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
  const text = names && (await whitenedSquares(names, whitening, products));
  let at = 0;
  for (const [fold, own] of chosen.entries()) {
    const x = selectRows(centred, own);
    const e = selectRows(residuals, own);
    const [px, u] = [await whiten(x, whitening, products), await whiten(e, whitening, products)];
    const [xx, xu, ue] = [rowProducts(px, x), rowProducts(x, u), rowProducts(u, e)];
    const m = meansWithout(given, fold);
    const { squares, whitened: pm } = await whitenedSquares(m, whitening, products);
    const [xm, um] = [await products.productT(px, m), await products.productT(u, m)];
    const [xt, ut] = names ? [await products.productT(px, names), await products.productT(u, names)] : [];
    const mt = names && rowProducts(pm, names);
    own.forEach((i, q) => {
      const count = counts[labels[i]!]!;
      const g = whitening.level > 0 ? count / ((count - 1) * (labels.length - present) * whitening.level) : 0;
      const k = g / (1 - g * ue[q]!);
      const length = Math.sqrt(xx[q]! + k * xu[q]! ** 2);
      for (let label = 0; label < c; label++, at++) {
        const toMean = um.data[q * c + label]!;
        const meanLength = Math.sqrt(squares[label]! + k * toMean ** 2);
        means[at] = ratio(xm.data[q * c + label]! + k * xu[q]! * toMean, length * meanLength);
        if (!text || !xt || !ut || !mt || !withNames || !together) continue;
        const toName = ut.data[q * c + label]!;
        const nameLength = Math.sqrt(text.squares[label]! + k * toName ** 2);
        withNames[at] = ratio(xt.data[q * c + label]! + k * xu[q]! * toName, length * nameLength);
        together[at] = ratio(mt[label]! + k * toMean * toName, meanLength * nameLength);
      }
    });
  }
  return { examples, labels: examples.map((i) => labels[i]!), means, names: withNames, together };
}

/** The examples that are left out, fold by fold. */
export function foldsLeftOut({ labels, folds }: Examples): number[][] {
  const chosen: number[][] = [];
  for (let fold = 0, rows = 0; fold < folds.count && rows < ENOUGH; fold++) {
    const own = [...labels.keys()].filter((i) => folds.query[i] === fold);
    rows += own.length;
    chosen.push(own);
  }
  return chosen;
}

/** Rows times P, and the squares of the rows' lengths in P. */
async function whitenedSquares(a: Matrix, whitening: Whitening, products: Products) {
  const whitened = await whiten(a, whitening, products);
  return { whitened, squares: rowProducts(whitened, a) };
}

/** x / y, and 0 where there is no length. */
function ratio(x: number, y: number): number {
  return y > 0 ? x / y : 0;
}
