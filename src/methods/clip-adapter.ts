import { cosineRate } from '../engine/training/schedule.ts';
import { add, mul, relu } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { random } from '../math/random.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { integer, positive, real } from '../options.ts';
import { COUNT, defineMethod, headInputs, SHARE, type SymbolicTaskWith, type TaskWith } from './method.ts';
import type { Task } from './task.ts';
import { type Training, train } from './train.ts';

/**
 * CLIP-Adapter: two layers with a bottleneck adapt the picture's embedding, and the result is mixed with it: f' = r relu(W2 relu(W1 f)) +
 * (1 - r) f (Gao et al., IJCV 2023, arXiv 2110.04544, eq. 3-5). The paper trains for 200 epochs at a rate of 1e-5 on batches of 32
 * pictures. Here the same number of epochs is trained with Tip-Adapter-F's optimiser.
 */
export const clipAdapter = defineMethod({
  id: 'clip-adapter',
  name: 'CLIP-Adapter',
  paper: 'Gao et al., IJCV 2023, arXiv 2110.04544, eq. 3-5',
  needs: ['text', 'examples'],
  benchmarked: true,
  trains: true,
  options: {
    ratio: real({ default: 0.2, min: 0, max: 1, help: 'Share of the adapted embedding in the mixture.' }),
    reduction: integer({ default: 4, min: 1, help: 'How many times narrower the bottleneck is.' }),
    epochs: integer({ default: 200, min: 1, help: 'Times each example is seen.' }),
    rate: positive({ default: 1e-3, help: 'Learning rate at the start; it falls to 0 along a cosine.' }),
    batch: integer({ default: 256, min: 1, help: 'Examples per step.' }),
  },
  fit: async (task, options) => {
    const training = adapterTraining(task, options, initialLayers(task, options.reduction));
    const { parameters, epochs } = await train(task, training);
    return { ...parameters, ratio: options.ratio, epochs };
  },
  holds: ({ dimension }, { reduction }) => ({
    w1: { shape: [bottleneck(dimension, reduction), dimension] },
    w2: { shape: [dimension, bottleneck(dimension, reduction)] },
    ratio: SHARE,
    epochs: COUNT,
  }),
  prepare: ({ epochs: _, ...state }) => state,
  terms: (f, state, task) => ({ text: adaptedLogits(f, state, task) }),
});

/** s unit(f') W^T, [m, c], for f as the encoder gives it. */
function adaptedLogits(
  f: Expr,
  { w1, w2, ratio }: { w1: Expr; w2: Expr; ratio: Expr },
  { head }: SymbolicTaskWith<'text'>,
): Expr {
  const adapted = relu(linear(relu(linear(f, w1)), w2));
  const mixed = add(f, mul(add(adapted, mul(f, -1)), ratio)); // r h + (1 - r) f
  return mul(matmulT(unit(mixed), head.weights), head.logitScale);
}

function bottleneck(dimension: number, reduction: number): number {
  return Math.max(1, Math.floor(dimension / reduction));
}

interface Layers {
  readonly w1: Tensor;
  readonly w2: Tensor;
}

/** Uniform in +-1 / sqrt(inputs), PyTorch's initialisation of linear layers. */
function initialLayers({ dimension, seed }: Task, reduction: number): Layers {
  const width = bottleneck(dimension, reduction);
  const layer = (name: string, rows: number, cols: number) => {
    const { uniform } = random('clip-adapter', name, seed);
    const limit = 1 / Math.sqrt(cols);
    const data = Float32Array.from({ length: rows * cols }, () => (2 * uniform() - 1) * limit);
    return floatTensor([rows, cols], data);
  };
  return { w1: layer('w1', width, dimension), w2: layer('w2', dimension, width) };
}

export function adapterTraining(
  task: TaskWith<'text'>,
  { ratio, epochs, rate, batch }: { ratio: number; epochs: number; rate: number; batch: number },
  layers: Layers,
): Training<'w1' | 'w2'> {
  const { task: symbolic, feeds } = headInputs(task);
  const state = {
    w1: input('w1', layers.w1.shape),
    w2: input('w2', layers.w2.shape),
    ratio: input('ratio', []),
  };
  return {
    parameters: { ...layers },
    fixed: { ...feeds, ratio: floatTensor([], Float32Array.of(ratio)) },
    scores: ({ f }) => adaptedLogits(f, state, symbolic),
    optimiser: { kind: 'adamw', eps: 1e-4, weightDecay: 0.01 },
    rate: (steps) => cosineRate(rate, steps),
    epochs,
    batch,
  };
}
