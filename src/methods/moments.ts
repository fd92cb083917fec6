import { cholesky, choleskySolve } from '../linalg/cholesky.ts';
import type { Products } from '../linalg/matrix-products.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { Samples } from './samples.ts';
import { rowCounts, type Sums } from './summary.ts';
import type { Task } from './task.ts';

/** Sizes of the sums of each class's rows. */
export function totalsShape({ classes, dimension }: Pick<Task, 'classes' | 'dimension'>) {
  return { totals: [classes, dimension] };
}

/** Sizes of these and of the sum of x x^T over all rows x. */
export function momentsShape(task: Pick<Task, 'classes' | 'dimension'>) {
  return { ...totalsShape(task), squares: [task.dimension, task.dimension] };
}

/** Adds rows to the sums of their classes. */
export function addTotals({ sums: { totals } }: Sums, { rows, labels }: Samples): void {
  const [{ data }, d] = [totals!, rows.cols];
  for (let i = 0; i < labels.length; i++) {
    const [from, to] = [i * d, labels[i]! * d];
    for (let j = 0; j < d; j++) data[to + j]! += rows.data[from + j]!;
  }
}

/** Rows of one product. With fewer, the rounding of float32 averages out over more products, and their calls take more of the time. */
const AT_ONCE = 512;

/**
 * Adds the rows' x x^T. The products of some hundred rows are in float32 and are added up in float64. They are of rows around their mean m,
 * because the mean's own square would hide the variation in float32: sum x x^T = sum (x - m)(x - m)^T + m s^T + (s - n m) m^T, s = sum x.
 */
export async function addSquares(
  { sums: { squares } }: Sums,
  { rows }: Pick<Samples, 'rows'>,
  { transposedProduct }: Products,
): Promise<void> {
  const d = rows.cols;
  const { data } = squares!;
  const blocks: (ReturnType<typeof aroundMean> & { n: number })[] = [];
  for (let from = 0; from < rows.rows; from += AT_ONCE) {
    const to = Math.min(rows.rows, from + AT_ONCE);
    const own = matrix(to - from, d, rows.data.subarray(from * d, to * d));
    blocks.push({ ...aroundMean(own), n: to - from });
  }
  const products = await Promise.all(blocks.map(({ centred }) => transposedProduct(centred, centred)));
  blocks.forEach(({ n, mean, total }, b) => {
    const values = products[b]!.data;
    for (let i = 0; i < d; i++) {
      // Read once, because the loop writes to memory that the compiler cannot tell from this.
      const [own, row] = [mean[i]!, i * d];
      const rest = total[i]! - n * own;
      for (let j = 0; j < d; j++) data[row + j]! += values[row + j]! + own * total[j]! + rest * mean[j]!;
    }
  });
}

/** The rows' sum and mean, and the rows around it. */
function aroundMean({ rows: n, cols: d, data }: Matrix) {
  const total = new Float64Array(d);
  for (let at = 0; at < data.length; at += d) for (let j = 0; j < d; j++) total[j]! += data[at + j]!;
  const mean = Float32Array.from(total, (x) => x / n);
  const centred = matrix(n, d);
  for (let at = 0; at < data.length; at += d)
    for (let j = 0; j < d; j++) centred.data[at + j] = data[at + j]! - mean[j]!;
  return { centred, mean, total };
}

/** The mean of each class's rows, [c d]; zeros for a class without rows. */
export function meansOf(summary: Sums): Float64Array {
  const counts = rowCounts(summary);
  const { shape, data } = summary.sums.totals!;
  return data.map((x, i) => x / (counts[Math.floor(i / shape[1]!)]! || 1));
}

/** The sum of (x - m)(x - m)^T over all rows x around the means m of their classes, [d, d]. */
export function squaresWithin(summary: Sums): Float64Array {
  const counts = rowCounts(summary);
  const { totals, squares } = summary.sums;
  const d = squares!.shape[0]!;
  const within = squares!.data.slice();
  const sums = totals!.data;
  const present = Array.from(counts.keys()).filter((c) => counts[c]! > 0);
  for (let i = 0; i < d; i++) {
    const row = i * d;
    let k = 0;
    // Four classes in each pass over the row.
    for (; k + 4 <= present.length; k += 4) {
      const [a, b, c, e] = [present[k]!, present[k + 1]!, present[k + 2]!, present[k + 3]!];
      const [at, bt, ct, et] = [a * d, b * d, c * d, e * d];
      const [sa, sb] = [sums[at + i]! / counts[a]!, sums[bt + i]! / counts[b]!];
      const [sc, se] = [sums[ct + i]! / counts[c]!, sums[et + i]! / counts[e]!];
      for (let j = 0; j <= i; j++)
        within[row + j] =
          within[row + j]! -
          sa * sums[at + j]! -
          sb * sums[bt + j]! -
          sc * sums[ct + j]! -
          se * sums[et + j]!;
    }
    for (; k < present.length; k++) {
      const from = present[k]! * d;
      const share = sums[from + i]! / counts[present[k]!]!;
      for (let j = 0; j <= i; j++) within[row + j]! -= share * sums[from + j]!;
    }
  }
  for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) within[j * d + i] = within[i * d + j]!;
  return within;
}

/** The solution X [d, c] of (A + ridge I) X = B for the symmetric A [d, d], in float64. `b` is not kept. */
export function solveRidge(a: Float64Array, ridge: number, b: Float64Array, cols: number): Float64Array {
  const d = Math.sqrt(a.length);
  const ridged = a.slice();
  for (let j = 0; j < d; j++) ridged[j * d + j]! += ridge;
  return choleskySolve(cholesky(ridged, d), d, b, cols);
}
