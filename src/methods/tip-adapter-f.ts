import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { cosineRate } from '../engine/training/schedule.ts';
import { add, mul } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { argmax, matrixOf, row } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { integer, positive } from '../options.ts';
import { cacheTensors } from './cache.ts';
import { byExample, cacheInBlocks } from './cache-blocks.ts';
import { COUNT, defineMethod, headInputs, SCALE, type TaskWith, WEIGHT } from './method.ts';
import { createScorer } from './score.ts';
import { keysOf, type Task } from './task.ts';
import { tipAdapter } from './tip-adapter.ts';
import { type Training, train } from './train.ts';
import { zeroShotLogits } from './zero-shot.ts';

/**
 * Tip-Adapter-F: Tip-Adapter with keys that are trained by cross-entropy. Values and text head are frozen (Zhang et al., ECCV 2022, arXiv
 * 2207.09519, section 3.2). If there are augmented views, each epoch sees another view of every example. The last epoch is kept or, if
 * there is a validation split, the best one on it. (The published code uses the test split for this: protocol `paper`.)
 */
export const tipAdapterF = defineMethod({
  id: 'tip-adapter-f',
  name: 'Tip-Adapter-F',
  paper: 'Zhang et al., ECCV 2022, arXiv 2207.09519, section 3.2',
  needs: ['text', 'examples'],
  benchmarked: true,
  trains: true,
  options: {
    ...tipAdapter.options,
    epochs: integer({ default: 20, min: 1, help: 'Times each example is seen.' }),
    rate: positive({ default: 1e-3, help: 'Learning rate at the start; it falls to 0 along a cosine.' }),
    batch: integer({ default: 256, min: 1, help: 'Examples per step.' }),
  },
  fit: async (task, options) => {
    const { keys, epochs } = await trainKeys(task, keyTraining(task, options));
    return { keys, epochs, alpha: options.alpha, beta: options.beta };
  },
  holds: ({ dimension, support }) => ({
    keys: { shape: [support.labels.length, dimension] },
    epochs: COUNT,
    alpha: WEIGHT,
    beta: SCALE,
  }),
  prepare: ({ keys, epochs: _, ...state }, { support, classes }) => {
    return { ...state, ...cacheTensors(matrixOf(keys), support.labels, classes) };
  },
  terms: tipAdapter.terms,
  votes: tipAdapter.votes,
  validates: true,
});

/** Trained keys, [n, d], in the order of the examples, and the number of full epochs. */
export async function trainKeys(
  task: Task,
  training: Training<'keys'>,
): Promise<{ keys: Tensor; epochs: number }> {
  const { parameters, epochs } = await train(task, training);
  return { keys: byExample(parameters.keys, task), epochs };
}

/** The published training: AdamW, and a learning rate that falls to zero along a cosine over all steps. */
export function keyTraining(
  task: TaskWith<'text'>,
  {
    alpha,
    beta,
    epochs,
    rate,
    batch,
  }: { alpha: number; beta: number; epochs: number; rate: number; batch: number },
): Training<'keys'> {
  const { task: symbolic, feeds } = headInputs(task);
  const { cache, inputs, blocks } = cacheInBlocks(keysOf(task.support), task);
  return {
    parameters: { keys: cache.keys },
    fixed: {
      ...feeds,
      logValues: cache.logValues,
      ...(cache.blockClass ? { blockClass: cache.blockClass } : {}),
      alpha: floatTensor([], Float32Array.of(alpha)),
      beta: floatTensor([], Float32Array.of(beta)),
    },
    scores: ({ f }) => add(zeroShotLogits(f, symbolic.head), mul(inputs.classSums, input('alpha', []))),
    blocks,
    optimiser: { kind: 'adamw', eps: 1e-4, weightDecay: 0.01 },
    rate: (steps) => cosineRate(rate, steps),
    epochs,
    batch,
    countCorrect: countCorrectOf(task, alpha, beta),
  };
}

/** Returns a function that counts the validation rows which trained keys classify correctly, if there are such rows. */
function countCorrectOf(task: Task, alpha: number, beta: number): Training<'keys'>['countCorrect'] {
  const { validation, engine = interpreterEngine(), signal } = task;
  if (!validation) return undefined;
  const method = tipAdapterF;
  return async ({ keys }) => {
    const scorer = await createScorer(engine, method, { keys: byExample(keys, task), alpha, beta }, task);
    const scores = await scorer.scores(validation.features, { signal });
    await scorer.close();
    return validation.labels.reduce((n, label, i) => n + Number(argmax(row(scores, i)) === label), 0);
  };
}
