import { exp, mul, sub } from '../graph/elementwise.ts';
import { matmul, matmulT, unit } from '../graph/products.ts';
import type { Matrix } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { integer, positive, real } from '../options.ts';
import { kernelSums, radial } from './kernel-ridge.ts';
import { landmarkCount, landmarksOf, measureRank, RANK_ERROR, rankRemark, UNMEASURED } from './low-rank.ts';
import { COUNT, defineMethod, SCALE, WEIGHT } from './method.ts';
import type { Samples } from './samples.ts';
import { keysOf, type Support, selectExamples, type Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

/**
 * Tip-Adapter with a cost that does not grow with the number of examples. The cache g(f) = exp(-beta (1 - f F^T)) L is replaced by the nearest function
 * exp(-beta (1 - f Z^T)) A of m landmarks Z, with A = K_ZZ^-1 K_ZF L (Nystroem's approximation: Williams & Seeger, NeurIPS 2000), so that
 * logits = s f W^T + alpha exp(-beta (1 - f Z^T)) A. The landmarks are unit means of parts of each class's keys. The difference from the exact scores is
 * measured on left-out examples.
 */
export const tipAdapterLowRank = defineMethod({
  id: 'tip-adapter-low-rank',
  name: 'Low-rank Tip-Adapter',
  paper: 'Zhang et al., ECCV 2022, arXiv 2207.09519; Williams & Seeger, NeurIPS 2000',
  notes: [
    "**Equations.** `k(x, y) = exp(-beta (1 - x y))`; Tip-Adapter's cache is `k(f, F) L`. Landmarks `Z` [m, d] replace the keys `F` [n, d]: the cache becomes `k(f, Z) A` with `A = (k(Z, Z) + 0.0001 I)^-1 k(Z, F) L`, which is the nearest function of this form in the kernel's space. The landmarks are the unit means of `--landmarks` parts of each class's keys.",
    '**Cost.** An answer takes the time and memory of m keys for any n. The fit takes m n products of embeddings.',
    "**Error.** Whole groups with up to 256 examples (at most a fifth of all) are left out, and the exact form and the low-rank form are learnt from the rest. `fit` and `info` print the largest difference of a class's score, averaged over the left-out examples, and the number of equal answers.",
    "**Published.** No paper has this form; the approximation by landmarks is Williams and Seeger's. (Tip-Adapter itself: 62.03% on ImageNet at 16 shots, RN50.)",
    '**Left out.** Random Fourier features, whose error was about four times as large at equal cost ([decisions](decisions.md)). The votes of single examples are not kept, so `explain` shows none.',
  ].join('\n\n'),
  needs: ['text', 'examples'],
  options: {
    alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes relative to the class names." }),
    beta: positive({ default: 5.5, max: 1000, help: "How fast an example's vote fades with distance." }),
    landmarks: integer({
      default: 4,
      min: 1,
      help: 'Number of means that replace the examples of each class.',
    }),
  },
  search: () => [0.5, 1, 2, 4, 8, 16, 32].map((beta) => ({ beta, alpha: 1 })),
  fit: async (task, { alpha, beta, landmarks }) => {
    const coefficients = ({ rows, labels }: Samples, keys: Matrix) =>
      kernelSums(rows, labels, task.classes, keys, radial(beta), task);
    const form = { kernel: radial(beta), weight: alpha, samplesOf: keysWithLabels, coefficients };
    const learnt = await learn(task, { beta, landmarks });
    return { ...learnt, alpha, ...(await measureRank(task, landmarks, form)) };
  },
  fitSubsets: async function* (task, subsets, candidates) {
    for (const { alpha, ...options } of candidates) {
      const states = [];
      for (const subset of subsets) {
        const support = selectExamples(task.support, subset);
        states.push({ ...(await learn({ ...task, support }, options)), alpha, ...UNMEASURED });
      }
      yield states;
    }
  },
  holds: ({ classes, support }, { landmarks }) => ({
    landmarks: COUNT,
    coefficients: { shape: [landmarkCount(support.labels, classes, landmarks), classes] },
    alpha: WEIGHT,
    beta: SCALE,
    ...RANK_ERROR,
  }),
  prepare: ({ coefficients, alpha, beta, landmarks }, { support, classes }) => {
    const keys = landmarksOf(keysWithLabels(support), classes, landmarks);
    return { coefficients, alpha, beta, keys: floatTensor([keys.rows, keys.cols], keys.data) };
  },
  terms: (f, { keys, coefficients, alpha, beta }, task) => {
    const affinity = exp(mul(sub(matmulT(unit(f), keys), 1), beta)); // [m, landmarks]
    return {
      text: zeroShotLogits(f, task.head),
      cache: mul(matmul(affinity, coefficients), alpha), // [m, c]
    };
  },
  remarks: ({ support }, _, { coefficients, error, agreement, judges }) => [
    rankRemark(coefficients.shape[0]!, support.labels.length, { error, agreement, judges }),
  ],
});

function keysWithLabels(support: Support): Samples {
  return { rows: keysOf(support), labels: support.labels };
}

async function learn(task: Task, { beta, landmarks }: { beta: number; landmarks: number }) {
  const samples = keysWithLabels(task.support);
  const keys = landmarksOf(samples, task.classes, landmarks);
  const { rows, cols, data } = await kernelSums(
    samples.rows,
    samples.labels,
    task.classes,
    keys,
    radial(beta),
    task,
  );
  return { coefficients: floatTensor([rows, cols], data), beta, landmarks };
}
