import type { Engine } from '../src/engine/types.ts';
import { add, mul } from '../src/graph/elementwise.ts';
import { input, inputsLike } from '../src/graph/expression.ts';
import { gradients } from '../src/graph/gradient.ts';
import { softmax } from '../src/graph/reduce.ts';
import { type Matrix, matrix, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { floatTensor, type Tensor } from '../src/math/tensor.ts';
import { cacheTensors, classSums } from '../src/methods/cache.ts';
import { crossEntropy } from '../src/methods/loss.ts';
import { headInputs, type TaskWith } from '../src/methods/method.ts';
import { plainSupport } from '../src/methods/task.ts';
import { keyTraining, trainKeys } from '../src/methods/tip-adapter-f.ts';
import { zeroShotLogits } from '../src/methods/zero-shot.ts';

/**
 * The results of one computation that every engine runs: a training step of Tip-Adapter-F on a small problem with classes of different
 * sizes. The file runs in Node and in a page, and all results must agree.
 */
export interface StepNumbers {
  readonly loss: number;
  /** Gradient of the loss with respect to the keys, in cache order. */
  readonly gradient: number[];
  /** The keys after one step of AdamW. */
  readonly keys: number[];
  /** Probabilities of the queries with those keys, [m, c]. */
  readonly probabilities: number[];
}

const CLASSES = 5;
const WIDTH = 24;
const QUERIES = 9;
const LABELS = Int32Array.of(0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4);

function rows(name: string, count: number): Matrix {
  const noise = random('parity', name);
  return unitRows(
    matrix(
      count,
      WIDTH,
      Float32Array.from({ length: count * WIDTH }, () => noise.normal()),
    ),
  );
}

function problem(engine: Engine): TaskWith<'text'> {
  const weights = rows('classes', CLASSES);
  return {
    classes: CLASSES,
    dimension: WIDTH,
    support: plainSupport(rows('examples', LABELS.length), LABELS),
    head: {
      weights,
      promptFeatures: weights,
      promptClass: Int32Array.from({ length: CLASSES }, (_, c) => c),
      logitScale: 10,
    },
    seed: 1,
    engine,
  };
}

export async function trainingStep(engine: Engine): Promise<StepNumbers> {
  const task = problem(engine);
  const { task: symbolic, feeds } = headInputs(task);
  const scalars = {
    alpha: floatTensor([], Float32Array.of(1.3)),
    beta: floatTensor([], Float32Array.of(5.5)),
  };
  const tensors = {
    ...cacheTensors(task.support.features, LABELS, CLASSES),
    ...scalars,
  };
  const state = inputsLike(tensors);
  const labels = input('labels', ['m', 1]);
  const f = input('f', ['m', WIDTH]);
  const scores = add(zeroShotLogits(f, symbolic.head), mul(classSums(f, state), state.alpha));
  const loss = crossEntropy(scores, labels);
  const batch = {
    f: floatTensor([QUERIES, WIDTH], rows('queries', QUERIES).data),
    labels: floatTensor(
      [QUERIES, 1],
      Float32Array.from({ length: QUERIES }, (_, i) => i % CLASSES),
    ),
  };

  const session = await engine.compile({
    loss,
    gradient: gradients(loss, [state.keys])[0],
    probabilities: softmax(scores),
  });
  const before = await session.run({ ...feeds, ...tensors, ...batch }, { outputs: ['loss', 'gradient'] });
  const { keys, ...fixed } = tensors;
  const trainer = await engine.train({
    parameters: { keys },
    fixed: { ...feeds, ...fixed },
    loss,
    optimiser: { kind: 'adamw', eps: 1e-4, weightDecay: 0.01 },
  });
  await trainer.step(batch, 0.01);
  const { parameters } = await trainer.read();
  await trainer.close();
  await session.keep({ ...feeds, ...fixed, labels: batch.labels });
  const after = await session.run({ f: batch.f, keys: parameters.keys! }, { outputs: ['probabilities'] });
  await session.close();
  return {
    loss: Number(before.loss.data[0]),
    gradient: numbers(before.gradient),
    keys: numbers(parameters.keys!),
    probabilities: numbers(after.probabilities),
  };
}

/** Keys after two epochs of the method's own training, which works in blocks, in the order of the examples. */
export async function trainedKeys(engine: Engine): Promise<number[]> {
  const task = problem(engine);
  const options = { alpha: 1.3, beta: 5.5, epochs: 2, rate: 0.01, batch: 8 };
  return numbers((await trainKeys(task, keyTraining(task, options))).keys);
}

const numbers = ({ data }: Tensor): number[] => Array.from(data as Float32Array);
