import { cosineRate } from '../engine/training/schedule.ts';
import { add, exp, mul, sub } from '../graph/elementwise.ts';
import { type Expr, inputsLike } from '../graph/expression.ts';
import { reshape } from '../graph/layout.ts';
import { linear, matmul, matmulT, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { floatTensor, ofRank, type Tensor } from '../math/tensor.ts';
import { integer, positive, real } from '../options.ts';
import { channelMask } from './ape.ts';
import { type CacheTensors, cacheTensors, layoutCache } from './cache.ts';
import {
  COUNT,
  defineMethod,
  headInputs,
  SCALE,
  type SymbolicState,
  type SymbolicTaskWith,
  type TaskWith,
  WEIGHT,
} from './method.ts';
import { keysOf, type Task } from './task.ts';
import { type Training, train } from './train.ts';

/**
 * APE-T: for each class, a residual on the channels that distinguish the class names is added to the name's row and to the keys of its
 * examples. The residual and a weight for each example are trained together (Zhu et al., ICCV 2023, arXiv 2304.01195, section 3.4). scores
 * = s f (W + R)^T + alpha exp(-beta (1 - f (F + R)^T)) diag(v) L. All keys of a class move by the same row of R, so it is a factor of their
 * sum: exp(beta f R^T) exp(-beta (1 - f F^T)) diag(v) L. The large product therefore has no gradient.
 */
export const apeT = defineMethod({
  id: 'ape-t',
  name: 'APE-T',
  paper: 'Zhu et al., ICCV 2023, arXiv 2304.01195, section 3.4',
  needs: ['text', 'examples'],
  trains: true,
  options: {
    alpha: real({ default: 1, min: 0, help: "Weight of the examples' votes relative to the class names." }),
    beta: positive({ default: 1, max: 1000, help: "How fast an example's vote fades with distance." }),
    channels: positive({ default: 500 / 1024, max: 1, help: 'Share of the channels that are kept.' }),
    epochs: integer({ default: 30, min: 1, help: 'Times each example is seen.' }),
    rate: positive({ default: 1e-3, help: 'Learning rate at the start; it falls to 0 along a cosine.' }),
    batch: integer({ default: 256, min: 1, help: 'Examples per step.' }),
  },
  fit: async (task, options) => {
    const { parameters, epochs } = await train(task, refinementTraining(task, options));
    const mask = channelMask(task, options.channels, WEIGHTS);
    return { ...parameters, mask, alpha: options.alpha, beta: options.beta, epochs };
  },
  holds: ({ classes, dimension, support }) => {
    const { blocks, size } = layoutCache(support.labels, classes);
    return {
      residual: { shape: [classes, dimension] },
      values: { shape: [blocks, size] },
      mask: { shape: [dimension], least: 0, most: 1, whole: true },
      alpha: WEIGHT,
      beta: SCALE,
      epochs: COUNT,
    };
  },
  prepare: ({ epochs: _, ...state }, task) => ({ ...state, ...cacheOf(task) }),
  terms: refinedTerms,
});

/**
 * Weights of the agreement between classes and of the variance of the names in a channel's criterion (`w_training` of the published
 * settings).
 */
const WEIGHTS = [0.2, 0.8] as const;

type Refined = CacheTensors & {
  readonly residual: Tensor;
  readonly values: Tensor;
  readonly mask: Tensor;
  readonly alpha: number | Tensor;
  readonly beta: number | Tensor;
};

function cacheOf({ support, classes }: Task): CacheTensors {
  return cacheTensors(keysOf(support), support.labels, classes);
}

function refinedTerms(
  f: Expr,
  { keys, logValues, blockClass, residual, values, mask, alpha, beta }: SymbolicState<Refined>,
  { head }: SymbolicTaskWith<'text'>,
) {
  const [blocks, size] = ofRank(logValues.shape, 2);
  const query = unit(f);
  const refined = mul(residual, mask); // R [c, d]
  const bias = reshape(sub(logValues, beta), [keys.shape[0]!]);
  const votes = exp(linear(mul(query, beta), keys, bias)); // [m, n]
  const weighted = mul(reshape(votes, [f.shape[0]!, blocks, size]), reshape(values, [1, blocks, size]));
  const perBlock = sum(weighted, [2]);
  const perClass = blockClass ? matmul(perBlock, blockClass) : perBlock; // [m, c]
  const moved = matmulT(query, refined); // f R^T [m, c]
  return {
    text: mul(add(matmulT(query, head.weights), moved), head.logitScale), // [m, c]
    cache: mul(mul(perClass, exp(mul(moved, beta))), alpha), // [m, c]
  };
}

/** The published training: AdamW with a decay of 0.1 and a learning rate that falls to zero along a cosine. R starts at 0 and v at 1. */
function refinementTraining(
  task: TaskWith<'text'>,
  {
    alpha,
    beta,
    channels,
    epochs,
    rate,
    batch,
  }: { alpha: number; beta: number; channels: number; epochs: number; rate: number; batch: number },
): Training<'residual' | 'values'> {
  const { task: symbolic, feeds } = headInputs(task);
  const cache = cacheOf(task);
  const shape = [task.classes, task.dimension];
  const fixed = {
    ...cache,
    mask: channelMask(task, channels, WEIGHTS),
    alpha: floatTensor([], Float32Array.of(alpha)),
    beta: floatTensor([], Float32Array.of(beta)),
  };
  const parameters = {
    residual: floatTensor(shape, new Float32Array(task.classes * task.dimension)),
    values: floatTensor(cache.logValues.shape, new Float32Array(cache.logValues.data.length).fill(1)),
  };
  const state = inputsLike({ ...fixed, ...parameters });
  return {
    parameters,
    fixed: { ...feeds, ...fixed },
    scores: ({ f }) => {
      const { text, cache: votes } = refinedTerms(f, state, symbolic);
      return add(text, votes);
    },
    optimiser: { kind: 'adamw', eps: 1e-3, weightDecay: 0.1 },
    rate: (steps) => cosineRate(rate, steps),
    epochs,
    batch,
  };
}
