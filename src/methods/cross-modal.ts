import { cosineRate } from '../engine/training/schedule.ts';
import { add, mul, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { matmulT, unit } from '../graph/products.ts';
import { concatRows, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import { integer, positive, real } from '../options.ts';
import { defineMethod, headInputs, SHARE, type TaskWith } from './method.ts';
import { isPlain } from './task.ts';
import { shuffled, type Training, train, viewsOf } from './train.ts';

/**
 * Cross-modal linear probe: the text embedding of each class is an additional training sample (Lin et al., CVPR 2023, arXiv 2301.06267, eq.
 * 4-5). The head starts at the text classifier, and every batch has as many pictures as texts. After the training, `blend` mixes the
 * zero-shot head into the result (WiSE-FT, Wortsman et al., CVPR 2022).
 */
export const crossModal = defineMethod({
  id: 'cross-modal',
  name: 'Cross-modal linear probe',
  paper: 'Lin et al., CVPR 2023, arXiv 2301.06267, eq. 4-5',
  needs: ['text', 'examples'],
  trains: true,
  options: {
    steps: integer({ default: 12_800, min: 1, help: 'Steps of the optimiser.' }),
    rate: positive({ default: 1e-3, help: 'Learning rate at the start; it falls to 0 along a cosine.' }),
    batch: integer({ default: 8, min: 1, help: 'Pictures per step, and as many texts.' }),
    blend: real({ default: 0, min: 0, max: 1, help: 'Share of the zero-shot head in the answer.' }),
  },
  fit: async (task, options) => {
    const { parameters } = await train(task, headTraining(task, options));
    return { learnt: parameters.learnt, blend: options.blend };
  },
  holds: ({ classes, dimension }) => ({ learnt: { shape: [classes, dimension] }, blend: SHARE }),
  prepare: (state) => state,
  terms: (f, { learnt, blend }, { head }) => {
    const blended = add(learnt, mul(sub(head.weights, learnt), blend));
    return { text: mul(matmulT(unit(f), blended), head.logitScale) }; // [m, c]
  },
});

/** The published training: AdamW, and a learning rate that falls along a cosine after fifty steps of warm-up. */
export function headTraining(
  task: TaskWith<'text'>,
  { steps, rate, batch }: { steps: number; rate: number; batch: number },
): Training<'learnt'> {
  const { task: symbolic, feeds } = headInputs(task);
  const { classes, dimension, support, seed, head } = task;
  const shape = [classes, dimension];
  const n = support.labels.length;
  const perEpoch = Math.ceil(n / batch);
  // If no picture has an augmented view, the rows are the same in every epoch.
  const rowsAt = (epoch: number) => concatRows([unitRows(viewsOf(support, epoch)), head.weights]);
  const plain = isPlain(support) ? rowsAt(0) : undefined;
  const { 'head.weights': weights, ...used } = feeds;
  return {
    parameters: { learnt: floatTensor(shape, Float32Array.from(weights.data as Float32Array)) },
    fixed: used,
    scores: ({ f }) => mul(matmulT(f, input('learnt', shape)), symbolic.head.logitScale),
    optimiser: { kind: 'adamw', weightDecay: 0.01 },
    rate: (total) => cosineRate(rate, total, Math.min(50, total - 1)),
    epochs: Math.max(1, Math.round(steps / perEpoch)),
    batch,
    rows: (epoch) => plain ?? rowsAt(epoch),
    labels: Int32Array.from([...support.labels, ...Array(classes).keys()]),
    order: (epoch) => {
      const { integer: draw } = random('texts', seed, epoch);
      return shuffled(n, Math.min(batch, n), seed, epoch).map((pictures) => [
        ...pictures,
        ...pictures.map(() => n + draw(classes)),
      ]);
    },
  };
}
