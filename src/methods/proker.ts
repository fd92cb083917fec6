import { exp, mul, sub } from '../graph/elementwise.ts';
import { matmul, matmulT, unit } from '../graph/products.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { type Matrix, selectRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import { optional, positive } from '../options.ts';
import { kernelRidge } from './kernel-ridge.ts';
import { defineMethod, SCALE, type TaskWith } from './method.ts';
import { countSamples, type Samples, samplesOf } from './samples.ts';
import type { Support, Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/**
 * Published beta and lambda by shots, for CLIP's features. The row with the largest number of shots that is not above the task's is used.
 */
const PUBLISHED = [
  { shots: 1, beta: 3, lambda: 0.05 },
  { shots: 2, beta: 2.6, lambda: 0.05 },
  { shots: 4, beta: 1.5, lambda: 0.05 },
  { shots: 8, beta: 1.66, lambda: 0.07 },
  { shots: 16, beta: 1.7, lambda: 0.1 },
];

/** Up to this number of samples the equations are solved exactly. 20,000 samples take 0.8 GB during the solution. */
const EXACT = 20_000;
/** Number of landmarks that approximate a larger number of samples (Williams & Seeger, NeurIPS 2000). */
const LANDMARKS = 4096;

/**
 * ProKeR: kernel ridge regression of what the class names leave unexplained (Bendou et al., CVPR 2025, arXiv 2501.11175, eq. 8-10). scores
 * / s = f W^T + k(f, F) A with k(x, y) = exp(-beta (1 - x y)) and A = (K / lambda + I)^-1 (Y - F W^T). Every augmented view is a sample.
 * With more than 20,000 samples, F are landmarks drawn from them (Nystroem's approximation).
 */
export const proker = defineMethod({
  id: 'proker',
  name: 'ProKeR',
  paper: 'Bendou et al., CVPR 2025, arXiv 2501.11175, eq. 8-10',
  needs: ['text', 'examples'],
  auto: { order: 2, closedForm: true },
  options: {
    beta: optional(
      positive({
        max: 1000,
        help: 'How fast the kernel fades with distance; by default it depends on the number of shots.',
      }),
    ),
    lambda: optional(
      positive({
        help: 'Weight of the smoothness penalty; by default it depends on the number of shots.',
      }),
    ),
  },
  search: (task) => {
    const { beta, lambda } = publishedFor(task);
    return [0.5, 1, 2].map((factor) => ({ beta, lambda: lambda * factor }));
  },
  fit: async (task, options) => {
    const published = publishedFor(task);
    const { beta = published.beta, lambda = published.lambda } = options;
    const samples = samplesOf(task.support);
    const residual = await unexplained(samples, task); // [n, c]
    const coefficients = await kernelRidge(
      samples.rows,
      landmarksOf(samples.rows),
      residual,
      { beta, lambda },
      task,
    );
    return { coefficients: floatTensor([coefficients.rows, coefficients.cols], coefficients.data), beta };
  },
  holds: ({ classes, support }) => ({ coefficients: { shape: [landmarks(support), classes] }, beta: SCALE }),
  prepare: (state, { support }) => {
    const keys = landmarksOf(samplesOf(support).rows);
    return { ...state, keys: floatTensor([keys.rows, keys.cols], keys.data) };
  },
  terms: (f, { keys, coefficients, beta }, task) => {
    const affinity = exp(mul(sub(matmulT(unit(f), keys), 1), beta)); // [m, n]
    const residual = matmul(affinity, coefficients); // [m, c]
    return {
      text: zeroShotLogits(f, task.head),
      method: mul(residual, task.head.logitScale),
    };
  },
});

function publishedFor({ support, classes }: Task): { beta: number; lambda: number } {
  const shots = support.labels.length / classes;
  return PUBLISHED.findLast((entry) => entry.shots <= shots) ?? PUBLISHED[0]!;
}

/** Y - F W^T. */
async function unexplained(
  { rows, labels }: Samples,
  { head, engine, signal }: TaskWith<'text'>,
): Promise<Matrix> {
  const residual = await withProducts(engine, ({ productT }) => productT(rows, head.weights), signal);
  for (let at = 0; at < residual.data.length; at++) residual.data[at]! *= -1;
  labels.forEach((label, i) => {
    residual.data[i * residual.cols + label]! += 1;
  });
  return residual;
}

/** The number of keys. */
function landmarks(support: Support): number {
  const samples = countSamples(support);
  return samples <= EXACT ? samples : LANDMARKS;
}

/** The samples, or landmarks drawn from them if there are too many. */
function landmarksOf(rows: Matrix): Matrix {
  if (rows.rows <= EXACT) return rows;
  const order = random('landmarks', rows.rows).shuffle([...Array(rows.rows).keys()]);
  return selectRows(rows, order.slice(0, LANDMARKS));
}
