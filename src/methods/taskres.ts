import { warmedRate } from '../engine/training/schedule.ts';
import { add, mul } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { matmulT, unit } from '../graph/products.ts';
import { floatTensor } from '../math/tensor.ts';
import { flag, integer, optional, positive } from '../options.ts';
import {
  COUNT,
  defineMethod,
  headInputs,
  SCALE,
  SHARE,
  type SymbolicTaskWith,
  type TaskWith,
} from './method.ts';
import type { Task } from './task.ts';
import { lengthenedText, lengthRemarks } from './text-length.ts';
import { type Training, train } from './train.ts';

/**
 * TaskRes: the text classifier is kept, and a residual beside it is learnt, t' = t + scale x (Yu et al., CVPR 2023, arXiv 2211.10277, eq.
 * 4). In the authors' code t is the text encoder's embedding, which does not have unit length: `raw`. They set the scale to 1 for Flowers,
 * and the learning rate to a tenth for ImageNet.
 */
export const taskRes = defineMethod({
  id: 'taskres',
  name: 'TaskRes',
  paper: 'Yu et al., CVPR 2023, arXiv 2211.10277, eq. 4',
  needs: ['text', 'examples'],
  trains: true,
  options: {
    scale: positive({ default: 0.5, help: 'How much of the residual is added to the class names.' }),
    raw: flag({
      default: true,
      help: 'Keep the length that the encoder gives the embeddings of the class names.',
    }),
    epochs: optional(
      integer({ min: 1, help: 'Times each example is seen (default: 100, or 200 from 8 shots on).' }),
    ),
    rate: positive({
      default: 2e-3,
      help: 'Learning rate after the first epoch; it falls to 0 along a cosine.',
    }),
    batch: integer({ default: 256, min: 1, help: 'Examples per step.' }),
  },
  fit: async (task, options) => {
    const given = { ...options, epochs: options.epochs ?? publishedEpochs(task) };
    const { parameters, epochs } = await train(task, residualTraining(task, given));
    return { residual: parameters.residual, scale: options.scale, raw: Number(options.raw), epochs };
  },
  holds: ({ classes, dimension }) => ({
    residual: { shape: [classes, dimension] },
    scale: SCALE,
    raw: { ...SHARE, whole: true },
    epochs: COUNT,
  }),
  prepare: ({ residual, scale, raw }, task) => ({ residual, scale, base: baseOf(task, raw === 1) }),
  terms: (f, state, task) => ({ text: residualLogits(f, state, task) }),
  published: (dataset) =>
    dataset === 'flowers' ? { scale: 1 } : dataset === 'imagenet' ? { rate: 2e-4 } : {},
  remarks: ({ head }, { raw }) => (raw ? lengthRemarks('TaskRes', head) : []),
});

function publishedEpochs({ support, classes }: Task): number {
  return support.labels.length < 8 * classes ? 100 : 200;
}

/** s f unit(t + scale x)^T, [m, c]. */
function residualLogits(
  f: Expr,
  { base, residual, scale }: { base: Expr; residual: Expr; scale: Expr },
  { head }: SymbolicTaskWith<'text'>,
) {
  return mul(matmulT(unit(f), unit(add(base, mul(residual, scale)))), head.logitScale);
}

function baseOf(task: TaskWith<'text'>, raw: boolean) {
  const { rows, cols, data } = raw ? lengthenedText(task) : task.head.weights;
  return floatTensor([rows, cols], data);
}

/** The published training: Adam with an L2 penalty. */
export function residualTraining(
  task: TaskWith<'text'>,
  {
    scale,
    raw,
    epochs,
    rate,
    batch,
  }: { scale: number; raw: boolean; epochs: number; rate: number; batch: number },
): Training<'residual'> {
  const { task: symbolic, feeds } = headInputs(task);
  const shape = [task.classes, task.dimension];
  const base = baseOf(task, raw);
  const state = {
    base: input('base', shape),
    residual: input('residual', shape),
    scale: input('scale', []),
  };
  return {
    parameters: { residual: floatTensor(shape, new Float32Array(task.classes * task.dimension)) },
    fixed: { ...feeds, base, scale: floatTensor([], Float32Array.of(scale)) },
    scores: ({ f }) => residualLogits(f, state, symbolic),
    optimiser: { kind: 'adam', weightDecay: 5e-4 },
    rate: (steps) => warmedRate(rate, steps, epochs),
    epochs,
    batch,
  };
}
