import { giveWay } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { lowerRows, solvePositive } from '../linalg/solve.ts';
import { dot, type Matrix, matrix, row, selectRows, topK } from '../math/matrix.ts';

/** Number of samples nearest to a name, and number of copies of the name in their mean. */
const NEIGHBOURS = 64;
const COPIES = 16;

/**
 * The discriminants of classes without an example, weights [a, d] and bias [a] (Wang et al., ICLR 2024, arXiv 2402.04087, section 3.3; the
 * constants are those of the published code). The samples nearest to a class's name replace its own. The class's mean is their mean
 * together with sixteen copies of the name. The class's covariance is their spread around the name, shrunk like that of the examples. The
 * precisions of all such classes are averaged.
 *
 * @param samples unit rows, [n, d]
 * @param names unit rows of those classes, [a, d]
 * @param prior log-probability of a class
 */
export async function synthesise(
  samples: Matrix,
  names: Matrix,
  { shrinkage, prior }: { shrinkage: number; prior: number },
  engine?: Engine,
  signal?: AbortSignal,
): Promise<{ weights: Matrix; bias: Float32Array }> {
  const [a, d] = [names.rows, names.cols];
  const k = Math.min(NEIGHBOURS, samples.rows);
  const means = matrix(a, d);
  const weights = matrix(a, d);
  await withProducts(
    engine,
    async (run) => {
      const cosines = await run.productT(names, samples); // [a, n]
      const neighbours = (c: number) => selectRows(samples, topK(row(cosines, c), k));
      for (let c = 0; c < a; c++) {
        row(means, c).set(meanWith(neighbours(c), row(names, c)));
        await giveWay(signal);
      }
      for (let c = 0; c < a; c++) {
        const spread = around(neighbours(c), row(names, c)); // X [k, d]
        const ridge = (shrinkage * dot(spread.data, spread.data)) / Math.max(1, k - 1);
        // d (X^T X + r I)^-1 m = d (m - X^T (X X^T + r I)^-1 X m) / r
        const inner = await solvePositive(
          lowerRows(await run.productT(spread, spread), ridge),
          await run.productT(spread, means),
          engine,
          signal,
        ); // [k, a]
        const explained = await run.transposedProduct(inner, spread); // [a, d]
        for (let i = 0; i < weights.data.length; i++) {
          weights.data[i]! += (d * (means.data[i]! - explained.data[i]!)) / ridge / a;
        }
        await giveWay(signal);
      }
    },
    signal,
  );
  const bias = Float32Array.from({ length: a }, (_, c) => prior - dot(row(means, c), row(weights, c)) / 2);
  return { weights, bias };
}

/** The mean of the rows and `COPIES` copies of a name. */
function meanWith(rows: Matrix, name: Float32Array): Float64Array {
  const sums = Float64Array.from(name, (x) => COPIES * x);
  for (let i = 0; i < rows.rows; i++) {
    const own = row(rows, i);
    for (let j = 0; j < own.length; j++) sums[j]! += own[j]!;
  }
  return sums.map((x) => x / (rows.rows + COPIES));
}

function around(rows: Matrix, name: Float32Array): Matrix {
  const out = matrix(rows.rows, rows.cols, rows.data.slice());
  for (let i = 0; i < rows.rows; i++) {
    const target = row(out, i);
    for (let j = 0; j < target.length; j++) target[j]! -= name[j]!;
  }
  return out;
}
