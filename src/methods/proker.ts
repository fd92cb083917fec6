import { throwIfAborted } from '../errors.ts';
import { exp, mul, sub } from '../graph/elementwise.ts';
import { matmul, matmulT, unit } from '../graph/products.ts';
import { type Products, withProducts } from '../linalg/products.ts';
import { solvePositive } from '../linalg/solve.ts';
import { type Matrix, matrix, row, selectRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import { optional, positive } from '../options.ts';
import { defineMethod } from './method.ts';
import { type Samples, samplesOf } from './samples.ts';
import type { Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** Published beta and lambda by shots, for CLIP's features: the row of the largest number of shots that is not above the task's. */
const PUBLISHED = [
  { shots: 1, beta: 3, lambda: 0.05 },
  { shots: 2, beta: 2.6, lambda: 0.05 },
  { shots: 4, beta: 1.5, lambda: 0.05 },
  { shots: 8, beta: 1.66, lambda: 0.07 },
  { shots: 16, beta: 1.7, lambda: 0.1 },
];

/** Samples that are solved exactly; 20,000 take 0.8 GB while they are. */
const EXACT = 20_000;
/** Landmarks that stand for more samples than that (Williams & Seeger, NeurIPS 2000). */
const LANDMARKS = 4096;

/**
 * ProKeR: kernel ridge regression of what the class names leave unexplained (Bendou et al., CVPR 2025, arXiv 2501.11175, eq. 8-10).
 * scores / s = f W^T + k(f, F) A with k(x, y) = exp(-beta (1 - x y)) and A = (K / lambda + I)^-1 (Y - F W^T). Augmented views are
 * samples of their own. Beyond 20,000 samples A belongs to landmarks drawn from them (Nystroem's approximation).
 */
export const proker = defineMethod({
  id: 'proker',
  name: 'ProKeR',
  paper: 'Bendou et al., CVPR 2025, arXiv 2501.11175, eq. 8-10',
  needs: ['text', 'examples'],
  options: {
    beta: optional(
      positive({ max: 1000, help: 'How fast the kernel fades with distance; by the number of shots.' }),
    ),
    lambda: optional(
      positive({ help: 'Weight of smoothness against the examples; by the number of shots.' }),
    ),
  },
  search: (task) => {
    const { beta, lambda } = publishedFor(task);
    return [0.5, 1, 2].map((factor) => ({ beta, lambda: lambda * factor }));
  },
  fit: async (task, options) => {
    const published = publishedFor(task);
    const { beta = published.beta, lambda = published.lambda } = options;
    const coefficients = await regress(samplesOf(task.support), task, { beta, lambda });
    return { coefficients: floatTensor([coefficients.rows, coefficients.cols], coefficients.data), beta };
  },
  prepare: (state, { support }) => {
    const keys = landmarksOf(samplesOf(support).rows);
    return { ...state, keys: floatTensor([keys.rows, keys.cols], keys.data) };
  },
  terms: (f, { keys, coefficients, beta }, task) => {
    const affinity = exp(mul(sub(matmulT(unit(f), keys), 1), beta)); // [m, n]
    const residual = matmul(affinity, coefficients); // [m, c]
    return {
      text: zeroShotLogits(f, task),
      method: task.head ? mul(residual, task.head.logitScale) : residual,
    };
  },
});

function publishedFor({ support, classes }: Task): { beta: number; lambda: number } {
  const shots = support.labels.length / classes;
  return PUBLISHED.findLast((entry) => entry.shots <= shots) ?? PUBLISHED[0];
}

interface Kernel {
  readonly beta: number;
  readonly lambda: number;
}

/** A [n, c]: one row for each sample, or for each landmark. */
async function regress({ rows, labels }: Samples, task: Task, kernel: Kernel): Promise<Matrix> {
  const { head, engine, signal, classes } = task;
  if (!head) throw new Error('ProKeR without a text head: checkNeeds comes first');
  return withProducts(
    engine,
    async (products) => {
      const unexplained = await products.productT(rows, head.weights);
      for (let at = 0; at < unexplained.data.length; at++) unexplained.data[at] *= -1;
      labels.forEach((label, i) => {
        unexplained.data[i * classes + label] += 1;
      });
      const keys = landmarksOf(rows);
      const normal =
        keys.rows === rows.rows
          ? { lowerRows: ridgedKernel(rows, kernel, products), right: unexplained }
          : await landmarkEquations(rows, keys, unexplained, kernel, products, signal);
      const solution = await solvePositive(normal.lowerRows, normal.right, engine, signal);
      // (K / lambda + I)^-1 = lambda (K + lambda I)^-1.
      return matrix(
        solution.rows,
        classes,
        solution.data.map((x) => x * kernel.lambda),
      );
    },
    signal,
  );
}

/** exp(-beta (1 - x y)), [x rows, y rows]. */
async function kernelOf(x: Matrix, y: Matrix, beta: number, { productT }: Products): Promise<Matrix> {
  const k = await productT(x, y);
  for (let at = 0; at < k.data.length; at++) k.data[at] = Math.exp(beta * (k.data[at] - 1));
  return k;
}

/** K + lambda I. */
function ridgedKernel(rows: Matrix, { beta, lambda }: Kernel, products: Products) {
  return async (from: number, to: number): Promise<Matrix> => {
    const k = await kernelOf(rowRange(rows, from, to), rowRange(rows, 0, to), beta, products);
    for (let i = from; i < to; i++) k.data[(i - from) * to + i] += lambda;
    return k;
  };
}

/** The samples themselves, or the landmarks drawn from them where there are too many. */
export function landmarksOf(rows: Matrix, exact = EXACT, landmarks = LANDMARKS): Matrix {
  if (rows.rows <= exact) return rows;
  const order = random('landmarks', rows.rows).shuffle([...Array(rows.rows).keys()]);
  return selectRows(rows, order.slice(0, landmarks));
}

/** Share of the largest diagonal entry that keeps float32 equations of nearly equal landmarks positive definite. */
const JITTER = 1e-6;

/** The normal equations (K_mn K_nm + lambda K_mm) A = K_mn (Y - F W^T) of m landmarks. */
async function landmarkEquations(
  rows: Matrix,
  keys: Matrix,
  unexplained: Matrix,
  { beta, lambda }: Kernel,
  products: Products,
  signal?: AbortSignal,
) {
  const a = await kernelOf(keys, keys, beta, products);
  for (let at = 0; at < a.data.length; at++) a.data[at] *= lambda;
  const right = matrix(keys.rows, unexplained.cols);
  for (let from = 0; from < rows.rows; from += LANDMARKS) {
    throwIfAborted(signal);
    const to = Math.min(rows.rows, from + LANDMARKS);
    const k = await kernelOf(rowRange(rows, from, to), keys, beta, products);
    addTo(a, await products.transposedProduct(k, k));
    addTo(right, await products.transposedProduct(k, rowRange(unexplained, from, to)));
  }
  const jitter = JITTER * rows.rows;
  for (let i = 0; i < keys.rows; i++) a.data[i * keys.rows + i] += jitter;
  return { lowerRows: (from: number, to: number) => lowerOf(a, from, to), right };
}

function lowerOf(a: Matrix, from: number, to: number): Matrix {
  const out = matrix(to - from, to);
  for (let i = from; i < to; i++) out.data.set(row(a, i).subarray(0, to), (i - from) * to);
  return out;
}

function addTo(target: Matrix, values: Matrix): void {
  for (let at = 0; at < target.data.length; at++) target.data[at] += values.data[at];
}

function rowRange(m: Matrix, from: number, to: number): Matrix {
  return matrix(to - from, m.cols, m.data.subarray(from * m.cols, to * m.cols));
}
