import type { Products } from '../linalg/matrix-products.ts';
import { argmax, dot, type Matrix, matrixOf, row } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import type { Options } from '../options.ts';
import { halfSquares } from './clusters.ts';
import { kernelOf, radial } from './kernel-ridge.ts';
import type { RankError } from './low-rank.ts';
import type { SumForm } from './method.ts';
import type { Sums } from './summary.ts';
import type { Task } from './task.ts';

/** The clusters that replace the keys of a cache. */
export type Clusters = {
  /** Means of the clusters, [c m, d], not of unit length. */
  readonly keys: Tensor;
  /** Number of examples of each cluster, [c, m]. */
  readonly sizes: Tensor;
  /** Covariance within the clusters, divided by its trace, [d, d]. */
  readonly within: Tensor;
};

type Sketch = Clusters & { readonly alpha: number; readonly beta: number };

/** A logarithm of a size whose cluster has no vote. */
const ABSENT = -1e4;

/** The logarithms of the clusters' sizes and the variances of their keys, [c, m]. */
export function clusterTensors({ keys, sizes }: Pick<Clusters, 'keys' | 'sizes'>): {
  logSizes: Tensor;
  variances: Tensor;
} {
  const halves = halfSquares(matrixOf(keys));
  const logs = Float32Array.from(sizes.data as Float32Array, (n) => (n > 0 ? Math.log(n) : ABSENT));
  return {
    logSizes: floatTensor(sizes.shape, logs),
    variances: floatTensor(
      sizes.shape,
      Float32Array.from(halves, (half) => Math.max(0, 1 - 2 * half)),
    ),
  };
}

/** The exact sums of the votes of each class's rows for the `queries` [q, d] of the basis, [q, c]. */
export const exactVotes: SumForm<Options> = {
  shapes: ({ classes }, _, { queries }) => ({ votes: [queries!.shape[0]!, classes] }),
  add: async ({ sums, basis }, { rows, labels }, { task: { classes }, options, products }) => {
    const exact = sums.votes!.data;
    const queries = matrixOf(basis.queries!);
    const votes = await kernelOf(queries, rows, radial(options.beta as number), products); // [q, n]
    for (let i = 0; i < queries.rows; i++) {
      const own = row(votes, i);
      for (let k = 0; k < own.length; k++) exact[i * classes + labels[k]!]! += own[k]!;
    }
  },
};

/** The error of a sketch against the exact votes, for unit rows [q, d]. */
export async function sketchError(
  state: Sketch,
  queries: Matrix,
  { sums }: Sums,
  { classes, head }: Task & Required<Pick<Task, 'head'>>,
  products: Products,
): Promise<RankError> {
  const exact = sums.votes!.data;
  const sketch = await sketchSums(state, queries, products);
  const names = await products.productT(queries, head.weights);
  let error = 0;
  let compared = 0;
  let equal = 0;
  for (let i = 0; i < queries.rows; i++) {
    const answers = [exact, sketch].map((sums) =>
      argmax(row(names, i).map((x, c) => head.logitScale * x + state.alpha * sums[i * classes + c]!)),
    );
    if (answers[0] === answers[1]) equal++;
    for (let c = 0; c < classes; c++) {
      const sum = exact[i * classes + c]!;
      if (sum === 0) continue;
      error += Math.abs(sketch[i * classes + c]! - sum) / sum;
      compared++;
    }
  }
  return { error: error / Math.max(1, compared), agreement: equal / queries.rows, judges: queries.rows };
}

/** The sketch's sums of the classes for unit rows, [q c]. */
async function sketchSums(state: Sketch, queries: Matrix, products: Products): Promise<Float64Array> {
  const { beta, sizes } = state;
  const [c, m] = sizes.shape as [number, number];
  const { variances } = clusterTensors(state);
  const directed = await products.product(queries, matrixOf(state.within));
  const cosines = await products.productT(queries, matrixOf(state.keys));
  const sums = new Float64Array(queries.rows * c);
  for (let i = 0; i < queries.rows; i++) {
    const second = (beta ** 2 / 2) * dot(row(directed, i), row(queries, i));
    const own = row(cosines, i);
    for (let k = 0; k < own.length; k++) {
      const votes = (sizes.data[k] as number) * Math.exp(beta * (own[k]! - 1));
      sums[i * c + Math.floor(k / m)]! += votes * (1 + second * (variances.data[k] as number));
    }
  }
  return sums;
}
