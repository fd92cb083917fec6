import { cholesky, choleskySolve } from '../linalg/cholesky.ts';
import type { RowAdder } from '../linalg/row-adder.ts';
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
export function addTotals({ sums: { totals } }: Sums, { rows, labels }: Samples, adder: RowAdder): void {
  adder.addByClass(totals!.data, rows, labels);
}

/** Adds the rows' x x^T. */
export function addSquares(
  { sums: { squares } }: Sums,
  { rows }: Pick<Samples, 'rows'>,
  adder: RowAdder,
): Promise<void> {
  return adder.addSquares(squares!.data, rows);
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
