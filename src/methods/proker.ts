import { exp, mul, sub } from '../graph/elementwise.ts';
import { matmul, matmulT, unit } from '../graph/products.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { type Matrix, selectRows } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { integer, optional, positive } from '../options.ts';
import { count, number } from '../words.ts';
import { kernelRidge, radial, unexplained } from './kernel-ridge.ts';
import { zeroShotScale } from './likely-scales.ts';
import {
  type KernelForm,
  landmarkCount,
  landmarksOf,
  measureRank,
  RANK_ERROR,
  type RankError,
  randomSubset,
  rankRemark,
} from './low-rank.ts';
import { COUNT, defineMethod, SCALE, type TaskWith } from './method.ts';
import { type Samples, sampleLabels, samplesOf } from './samples.ts';
import { keysOf, type Support, selectExamples, type Task } from './task.ts';
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

const MOST_BETA = 1000;

/** Up to this number of samples the equations are solved exactly. 20,000 samples take 0.8 GB during the solution. */
const EXACT = 20_000;
/** Number of landmarks that approximate a larger number of samples (Williams & Seeger, NeurIPS 2000). */
const LANDMARKS = 4096;
/** Samples that the exact form is solved for to measure the error of an approximation: a few seconds. */
const COMPARED = 8192;

/**
 * ProKeR: kernel ridge regression of what the class names leave unexplained (Bendou et al., CVPR 2025, arXiv 2501.11175, eq. 8-10). scores
 * / s = f W^T + k(f, F) A with k(x, y) = exp(-beta (1 - x y)) and A = (K / lambda + I)^-1 (Y - F W^T). Every augmented view is a sample.
 * With more than 20,000 samples, or with `landmarks`, F are landmarks (Nystroem's approximation).
 */
export const proker = defineMethod({
  id: 'proker',
  name: 'ProKeR',
  paper: 'Bendou et al., CVPR 2025, arXiv 2501.11175, eq. 8-10',
  notes:
    '**Constants.** The published beta and lambda are for the features of CLIP. If examples can be left out, `fit` searches lambda on them. Otherwise beta is 1 / the median of 1 - x y between examples of different classes, and lambda is at least 8 / the scale that suits the cosines of zero-shot on the examples. `--tune fixed` takes the published constants.',
  needs: ['text', 'examples'],
  rotates: true,
  auto: { order: 2, closedForm: true },
  options: {
    beta: optional(
      positive({
        max: MOST_BETA,
        help: 'How fast the kernel fades with distance; by default it depends on the number of shots.',
      }),
    ),
    lambda: optional(
      positive({
        help: 'Weight of the smoothness penalty; by default it depends on the number of shots.',
      }),
    ),
    landmarks: optional(
      integer({
        min: 1,
        help: `Number of means that replace the examples of each class; their error is measured (default: all examples, of more than ${number(EXACT)} a random ${number(LANDMARKS)}).`,
      }),
    ),
  },
  search: (task) => {
    const { beta, lambda } = publishedFor(task);
    return [0.5, 1, 2].map((factor) => ({ beta, lambda: lambda * factor }));
  },
  path: 'lambda',
  byExamples: constantsByExamples,
  fit: async (task, options) => {
    const learnt = await learn(task, options);
    const { landmarks } = options;
    if (landmarks === undefined) return learnt;
    const form = prokerForm(task, constantsFor(task, options));
    return { ...learnt, ...(await measureRank(task, landmarks, form)) };
  },
  fitSubsets: async function* (task, subsets, candidates) {
    for (const options of candidates) {
      const states: Learnt[] = [];
      for (const subset of subsets) {
        states.push(await learn({ ...task, support: selectExamples(task.support, subset) }, options));
      }
      yield states;
    }
  },
  holds: ({ classes, support }, { landmarks }) => ({
    coefficients: { shape: [rankOf(support, classes, landmarks), classes] },
    beta: SCALE,
    ...(landmarks !== undefined && { landmarks: COUNT, ...RANK_ERROR }),
  }),
  prepare: ({ coefficients, beta, landmarks }, { support, classes }) => {
    const keys = keysFor(samplesOf(support), classes, landmarks);
    return { coefficients, beta, keys: floatTensor([keys.rows, keys.cols], keys.data) };
  },
  remarks: ({ support }, { landmarks }, { coefficients, error = 0, agreement = 1, judges = 0 }) => {
    const samples = sampleLabels(support).length;
    const rank = coefficients.shape[0]!;
    if (landmarks !== undefined) {
      return [rankRemark(rank, samples, { error, agreement, judges }, Math.min(samples, COMPARED))];
    }
    return rank < samples
      ? [
          `${count(rank, 'landmark')} for ${count(samples, 'key')}; how much they change is measured where landmarks are given`,
        ]
      : [];
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

/** Log-odds that an example of a class gives it at least, if lambda follows from the examples. */
const VOTE = 8;
/** Number of examples whose distances are compared. */
const APART = 1024;

/**
 * Constants for any encoder where no example can be left out: beta is 1 / the median of 1 - x y between examples x, y of different classes, and
 * lambda is the published one, or more if the names say little about the examples: `VOTE` / the scale that suits the cosines of zero-shot.
 */
async function constantsByExamples(task: TaskWith<'text'>): Promise<{ beta?: number; lambda?: number }> {
  const { support, head, engine, signal } = task;
  const rows = keysOf(support);
  const chosen = randomSubset(rows.rows, APART);
  const few = selectRows(rows, chosen);
  const [zeroShot, cosines] = await withProducts(
    engine,
    async ({ productT }) => [await productT(rows, head.weights), await productT(few, few)] as const,
    signal,
  );
  const between = cosines.data.filter(
    (_, at) => support.labels[chosen[Math.floor(at / few.rows)]!] !== support.labels[chosen[at % few.rows]!],
  );
  const median = between.sort()[between.length >> 1];
  if (median === undefined) return {};
  const logits = { ...zeroShot, data: zeroShot.data.map((cosine) => cosine * head.logitScale) };
  const scale = head.logitScale * (await zeroShotScale(logits, support.labels, signal));
  return {
    beta: Math.min(MOST_BETA, 1 / Math.max(0, 1 - median)),
    lambda: Math.max(publishedFor(task).lambda, VOTE / scale),
  };
}

function publishedFor({ support, classes }: Task): { beta: number; lambda: number } {
  const shots = support.labels.length / classes;
  return PUBLISHED.findLast((entry) => entry.shots <= shots) ?? PUBLISHED[0]!;
}

/** ProKeR's part of the scores. An approximation of it is compared with this form. */
export function prokerForm(
  task: TaskWith<'text'>,
  { beta, lambda }: { readonly beta: number; readonly lambda: number },
): KernelForm {
  const kernel = radial(beta);
  const coefficients = async (samples: Samples, keys: Matrix) => {
    const residuals = await unexplained(samples, task.head.weights, 1, task); // [n, c]
    return kernelRidge(samples.rows, keys, residuals, { kernel, lambda }, task);
  };
  return { kernel, weight: task.head.logitScale, samplesOf, coefficients, most: COMPARED };
}

function constantsFor(
  task: Task,
  given: { beta?: number; lambda?: number },
): { beta: number; lambda: number } {
  const { beta, lambda } = publishedFor(task);
  return { beta: given.beta ?? beta, lambda: given.lambda ?? lambda };
}

/** How many keys there are. */
function rankOf(support: Support, classes: number, perClass?: number): number {
  const labels = sampleLabels(support);
  if (perClass !== undefined) return landmarkCount(labels, classes, perClass);
  return labels.length <= EXACT ? labels.length : LANDMARKS;
}

/** Landmarks of each class, or of all samples where there are too many, or the samples themselves. */
function keysFor(samples: Samples, classes: number, perClass?: number): Matrix {
  const { rows } = samples;
  if (perClass !== undefined) return landmarksOf(samples, classes, perClass);
  return rows.rows <= EXACT ? rows : selectRows(rows, randomSubset(rows.rows, LANDMARKS));
}

type Learnt = {
  readonly coefficients: Tensor;
  readonly beta: number;
  readonly landmarks?: number;
} & Partial<RankError>;

async function learn(
  task: TaskWith<'text'>,
  options: { beta?: number; lambda?: number; landmarks?: number },
): Promise<Learnt> {
  const constants = constantsFor(task, options);
  const { landmarks } = options;
  const samples = samplesOf(task.support);
  const keys = keysFor(samples, task.classes, landmarks);
  const { rows, cols, data } = await prokerForm(task, constants).coefficients(samples, keys);
  return {
    coefficients: floatTensor([rows, cols], data),
    beta: constants.beta,
    ...(landmarks !== undefined && { landmarks }),
  };
}
