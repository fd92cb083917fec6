import { warmedRate } from '../engine/training/schedule.ts';
import { add, mul, relu } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { expandTo, reshape } from '../graph/layout.ts';
import { linear, matmul, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { random } from '../math/random.ts';
import { floatTensor, ofRank, type Tensor } from '../math/tensor.ts';
import { integer, positive, text } from '../options.ts';
import { type Prompts, promptFeeds, promptsOf } from './coop.ts';
import { COUNT, defineMethod, headInputs, type TaskWith } from './method.ts';
import type { TextTower } from './text-tower.ts';
import { type Training, train } from './train.ts';

/**
 * CoCoOp: the learnt words are moved by what the picture shows, v_m(x) = v_m + pi(x) with pi a bottleneck of two layers, and the texts of all
 * classes are encoded for every picture (Zhou et al., CVPR 2022, arXiv 2203.05557, eq. 2-3). Answers need the text tower too.
 */
export const coCoOp = defineMethod({
  id: 'cocoop',
  name: 'CoCoOp',
  paper: 'Zhou et al., CVPR 2022, arXiv 2203.05557, eq. 2-3',
  notes: [
    '**Equations.** `v_m(x) = v_m + pi(x)`, `pi(x) = W2 relu(W1 x + b1) + b2` of the unit embedding `x` [d], with d / 16 numbers between; `scores = s x t_c(x)`, `t_c(x)` the unit embedding of the text `v_1(x) … v_M(x) NAME .`; context from "a photo of a", 10 epochs, one picture a step.',
    '**Published.** 80.47 / 71.69 / 75.83% on base classes, new classes and their harmonic mean (16 shots, ViT-B/16, eleven data sets).',
    '**Cost.** Every step and every answer encodes the texts of all classes once for each picture, so that 100 classes take 100 texts a picture. Such a classifier cannot be exported, because its text tower is not in it.',
    '**Left out.** Training in half precision.',
  ].join('\n\n'),
  needs: ['text', 'examples', 'text-tower'],
  ignores: ['prompts'],
  readsTexts: true,
  trains: true,
  options: {
    init: text({ default: 'a photo of a', help: 'Words to start from.' }),
    epochs: integer({ default: 10, min: 1, help: 'Times each example is seen.' }),
    rate: positive({
      default: 2e-3,
      help: 'Learning rate after the first epoch; it falls to 0 along a cosine.',
    }),
    batch: integer({ default: 1, min: 1, help: 'Examples per step.' }),
  },
  fit: async (task, options) => {
    const prompts = promptsOf(task, { init: options.init, position: 'end' });
    const layers = initialLayers(task, prompts.tower.width);
    const training = conditionalTraining(task, options, prompts, layers);
    const { parameters, epochs } = await train(task, training);
    return { ...parameters, epochs };
  },
  holds: ({ dimension }) => ({
    context: { shape: [null, 'width'] },
    w1: { shape: [bottleneck(dimension), dimension] },
    b1: { shape: [bottleneck(dimension)] },
    w2: { shape: ['width', bottleneck(dimension)] },
    b2: { shape: ['width'] },
    epochs: COUNT,
  }),
  prepare: ({ epochs: _, ...layers }, task) => {
    const { fixed, places, end } = promptsOf(task, { context: layers.context.shape[0]!, position: 'end' });
    return { ...layers, fixed, places, end };
  },
  terms: (f, state, { head, tower }) => ({
    text: mul(conditionalCosines(f, state, state, tower!), head.logitScale), // [m, c]
  }),
});

type Layers<T> = { readonly [Name in 'w1' | 'b1' | 'w2' | 'b2']: T };

/** Cosines [m, c] of pictures and the texts that each of them leads to. */
function conditionalCosines(
  f: Expr,
  { context, w1, b1, w2, b2 }: Layers<Expr> & { context: Expr },
  { fixed, places, end }: { fixed: Expr; places: Expr; end: Expr },
  tower: TextTower,
): Expr {
  const m = f.shape[0]!;
  const [c, t, w] = ofRank(fixed.shape as number[], 3);
  const x = unit(f); // [m, d]
  const shift = linear(relu(linear(x, w1, b1)), w2, b2); // [m, w]
  const shared = add(fixed, reshape(matmul(places, context), [c, t, w]));
  const moved = mul(reshape(sum(places, [1]), [1, c, t, 1]), reshape(shift, [m, 1, 1, w])); // [m, c, t, w]
  const embeddings = reshape(add(moved, shared), ['p', t, w]);
  const ends = reshape(expandTo(reshape(end, [1, c, t]), [m, c, t], f), ['p', t]);
  const texts = unit(reshape(tower.encode(embeddings, ends), [m, c, f.shape[1]!]));
  return sum(mul(reshape(x, [m, 1, f.shape[1]!]), texts), [2]);
}

/** The published training: SGD with momentum. */
export function conditionalTraining(
  task: TaskWith<'text'>,
  { epochs, rate, batch }: { epochs: number; rate: number; batch: number },
  prompts: Prompts,
  layers: Layers<Tensor>,
): Training<'context' | keyof Layers<Tensor>> {
  const { feeds } = headInputs(task);
  const parameters = { context: prompts.start, ...layers };
  const { fixed, places, end, tower } = prompts;
  const inputOf = (name: keyof typeof parameters) => input(name, parameters[name].shape);
  const state = {
    context: inputOf('context'),
    ...{ w1: inputOf('w1'), b1: inputOf('b1'), w2: inputOf('w2'), b2: inputOf('b2') },
  };
  const open = {
    fixed: input('prompt.fixed', fixed.shape),
    places: input('prompt.places', places.shape),
    end: input('prompt.end', end.shape),
  };
  return {
    parameters,
    fixed: { ...promptFeeds(prompts), 'head.logitScale': feeds['head.logitScale'] },
    scores: ({ f }) => mul(conditionalCosines(f, state, open, tower), input('head.logitScale', [])),
    optimiser: { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
    rate: (steps) => warmedRate(rate, steps, epochs),
    epochs,
    batch,
  };
}

function bottleneck(dimension: number): number {
  return Math.max(1, Math.floor(dimension / 16));
}

/** Uniform in +-1 / sqrt(inputs), as PyTorch starts its linear layers. */
function initialLayers({ dimension, seed }: TaskWith<'text'>, width: number): Layers<Tensor> {
  const between = bottleneck(dimension);
  const uniform = (name: string, inputs: number, ...shape: number[]): Tensor => {
    const { uniform: next } = random('cocoop', name, seed);
    const size = shape.reduce((n, dim) => n * dim, 1);
    return floatTensor(
      shape,
      Float32Array.from({ length: size }, () => (2 * next() - 1) / Math.sqrt(inputs)),
    );
  };
  return {
    w1: uniform('w1', dimension, between, dimension),
    b1: uniform('b1', dimension, between),
    w2: uniform('w2', between, width, between),
    b2: uniform('b2', between, width),
  };
}
