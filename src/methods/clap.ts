import { inTurns, type Pieces } from '../abort.ts';
import { warmedRate } from '../engine/training/schedule.ts';
import { mul, square, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { matmulT, unit } from '../graph/products.ts';
import { mean, sum } from '../graph/reduce.ts';
import { type Matrix, productTInPieces, row, softmax, unitRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { integer, positive } from '../options.ts';
import { COUNT, defineMethod, headInputs, type TaskWith } from './method.ts';
import { lengthenedText, lengthRemarks } from './text-length.ts';
import { shuffled, type Training, train } from './train.ts';

/**
 * CLAP: one prototype for each class is trained from the embedding of the class name. A penalty keeps it near the name, and is as strong as
 * zero-shot is right about the class (Silva-Rodriguez et al., CVPR 2024, arXiv 2312.12730, eq. 5-9). No validation set is needed. The
 * embeddings keep their own length. Every view is a sample. An epoch takes as many samples, at random, as there are examples.
 */
export const clap = defineMethod({
  id: 'clap',
  name: 'CLAP',
  paper: 'Silva-Rodriguez et al., CVPR 2024, arXiv 2312.12730, eq. 5-9',
  needs: ['text', 'examples'],
  trains: true,
  options: {
    epochs: integer({ default: 300, min: 1, help: 'Times each example is seen.' }),
    rate: positive({
      default: 0.1,
      help: 'Learning rate after the first epoch; it falls to 0 along a cosine.',
    }),
    batch: integer({ default: 256, min: 1, help: 'Rows per step.' }),
  },
  fit: async (task, options) => {
    const trust = await inTurns(trustInText(task), task.signal);
    const training = prototypeTraining(task, lengthenedText(task), trust, options);
    const { parameters, epochs } = await train(task, training);
    return { prototypes: parameters.prototypes, epochs };
  },
  holds: ({ classes, dimension }) => ({ prototypes: { shape: [classes, dimension] }, epochs: COUNT }),
  prepare: ({ prototypes }) => ({ prototypes }),
  remarks: ({ head }) => lengthRemarks('CLAP', head),
  terms: (f, { prototypes }, { head }) => ({
    text: mul(matmulT(unit(f), unit(prototypes)), head.logitScale), // [m, c]
  }),
});

/**
 * The published training: SGD with momentum. The prototypes start at `names`, [c, d], and the penalty holds them there. `trust` is the
 * result of `trustInText`.
 */
export function prototypeTraining(
  task: TaskWith<'text'>,
  names: Matrix,
  trust: Float32Array,
  { epochs, rate, batch }: { epochs: number; rate: number; batch: number },
): Training<'prototypes'> {
  const { feeds } = headInputs(task);
  const { seed } = task;
  const { features, example, labels } = task.support;
  const shape = [task.classes, task.dimension];
  const rows = unitRows(features);
  const text = floatTensor(shape, names.data);
  const prototypes = input('prototypes', shape);
  const distances = sum(square(sub(prototypes, input('names', shape))), [1]); // [c]
  const batches = Math.max(1, Math.floor(labels.length / batch)); // the remaining rows are dropped
  return {
    parameters: { prototypes: text },
    fixed: {
      'head.logitScale': feeds['head.logitScale'],
      names: text,
      multipliers: floatTensor([task.classes], trust),
    },
    scores: ({ f }) => mul(matmulT(f, unit(prototypes)), input('head.logitScale', [])),
    penalty: mean(mul(distances, input('multipliers', [task.classes])), [0]),
    optimiser: { kind: 'sgd', momentum: 0.9 },
    rate: (steps) => warmedRate(rate, steps, epochs),
    epochs,
    batch,
    rows: () => rows,
    order: (epoch) => shuffled(rows.rows, Math.min(batch, rows.rows), seed, epoch).slice(0, batches),
    labels: Int32Array.from(example, (e) => labels[e]!),
  };
}

/** Lambda of each class, [c]: the mean probability that zero-shot gives the class on the class's own rows; 1 for a class without rows. */
export function* trustInText({ support, head, classes }: TaskWith<'text'>): Pieces<Float32Array> {
  const cosines = yield* productTInPieces(unitRows(support.features), head.weights);
  const sums = new Float64Array(classes);
  const counts = new Float64Array(classes);
  for (const [r, e] of support.example.entries()) {
    const label = support.labels[e]!;
    sums[label]! += softmax(row(cosines, r), 1 / head.logitScale)[label]!;
    counts[label]!++;
    yield;
  }
  return Float32Array.from(sums, (total, c) => (counts[c]! > 0 ? total / counts[c]! : 1));
}
