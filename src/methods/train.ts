import { interpreterEngine } from '../engine/interpreter-engine.ts';
import type { Optimiser } from '../engine/training/optimiser.ts';
import type { Schedule } from '../engine/training/schedule.ts';
import type { Blocks, Trainer, TrainingSpec, TrainingState } from '../engine/training/types.ts';
import { InterruptedError } from '../errors.ts';
import { add } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { toOnnx } from '../graph/onnx.ts';
import { type Matrix, selectRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { countCorrect, crossEntropy } from './loss.ts';
import type { IdentityPart, Support, Task } from './task.ts';

/** Training rows and their classes as expressions: embeddings [b, d] as the encoder gives them, labels [b, 1]. */
interface Batch {
  readonly f: Expr;
  readonly labels: Expr;
}

/** A training on a task's examples. `Name` are the names of the parameters. */
export interface Training<Name extends string = string> {
  /** Start values. Each is an input of the scores, under its name. */
  readonly parameters: Readonly<Record<Name, Tensor>>;
  /** Other inputs of the scores. */
  readonly fixed: Readonly<Record<string, Tensor>>;
  /** Scores [b, c] of a batch. */
  scores(batch: Batch): Expr;
  /** A scalar added to the mean cross-entropy of the scores. */
  penalty?: Expr;
  readonly blocks?: Blocks;
  readonly optimiser: Optimiser;
  /** Learning rate at each step, given the number of all steps. */
  rate(steps: number): Schedule;
  readonly epochs: number;
  /** Rows of a batch. Infinity takes all rows. */
  readonly batch: number;
  /** Rows of an epoch, [r, d]; by default another view of each example. Every epoch has the same number of rows. */
  rows?(epoch: number): Matrix;
  /** Classes of those rows, [r], if they are not those of the examples. */
  readonly labels?: ArrayLike<number>;
  /**
   * Counts the task's validation rows that the parameters classify correctly. If it is present, the best epoch is kept, unless the rows are
   * only watched.
   */
  countCorrect?(parameters: Readonly<Record<Name, Tensor>>): Promise<number>;
  /** The rows of each batch of an epoch; by default they are shuffled by the task's seed. Every epoch has the same number of batches. */
  order?(epoch: number): readonly ArrayLike<number>[];
}

/** The result of a training. */
export interface Trained<Name extends string = string> {
  readonly parameters: Readonly<Record<Name, Tensor>>;
  /**
   * Number of full epochs. It is smaller than requested if a training with a checkpoint was interrupted, or if an earlier epoch was the
   * best.
   */
  readonly epochs: number;
}

/**
 * Minimises the cross-entropy of a task's examples. With a checkpoint, every full epoch is kept. An interrupted training then returns the
 * last full epoch, and the next training continues from it and gives the same bytes as one that was never interrupted. Throws
 * `InterruptedError` if there is no full epoch to return, and `ModelError` if the loss is no longer a number.
 */
export function train<Name extends string>(task: Task, training: Training<Name>): Promise<Trained<Name>>;
export async function train(task: Task, training: Training): Promise<Trained> {
  const { epochs, batch, rate } = training;
  const { support, seed, checkpoint } = task;
  const classOf = training.labels ?? support.labels;
  const n = classOf.length;
  const rows = training.rows ?? ((epoch) => viewsOf(support, epoch));
  const order = training.order ?? ((epoch) => shuffled(n, Math.min(batch, n), seed, epoch));
  const steps = order(0).length;
  const rateAt = rate(steps * epochs);

  const f = input('f', ['b', task.dimension]);
  const labels = input('labels', ['b', 1]);
  const scores = training.scores({ f, labels });
  const entropy = crossEntropy(scores, labels);
  const spec: TrainingSpec = {
    parameters: training.parameters,
    fixed: training.fixed,
    loss: training.penalty ? add(entropy, training.penalty) : entropy,
    observe: { correct: countCorrect(scores, labels) },
    optimiser: training.optimiser,
    blocks: training.blocks,
  };
  const kept = await checkpoint?.open(identityOf(task, { ...training, rows, order, labels: classOf }, spec));
  const { start, best: sofar } = kept?.state ? unpacked(kept.state) : {};
  const engine = task.engine ?? interpreterEngine();
  const trainer = await engine.train({ ...spec, start }, { signal: task.signal });
  let state: TrainingState | undefined = start;
  let best: Best | undefined = sofar;
  try {
    for (let epoch = Math.round((start?.step ?? 0) / steps); epoch < epochs; epoch++) {
      const features = rows(epoch);
      for (const [step, members] of order(epoch).entries()) {
        const at = epoch * steps + step;
        await task.resume?.();
        const taken = await takeStep(trainer, features, classOf, members, rateAt(at));
        task.onProgress?.({ done: at + 1, total: epochs * steps, unit: 'step', ...taken });
      }
      if (kept || training.countCorrect) state = await trainer.read();
      if (training.countCorrect && task.validation && state) {
        const right = await training.countCorrect(state.parameters);
        const done = (epoch + 1) * steps;
        const validated = right / task.validation.labels.length;
        task.onProgress?.({ done, total: epochs * steps, unit: 'step', validated });
        if (!task.validation.watches)
          best = better(best, { parameters: state.parameters, epochs: epoch + 1, right });
      }
      if (kept && state) await kept.save(packed(state, best));
    }
    state = await trainer.read();
  } catch (error) {
    if (!(error instanceof InterruptedError) || !kept || !state) throw error;
    kept.onInterrupted?.({ epochs: Math.round(state.step / steps), of: epochs });
  } finally {
    await trainer.close();
  }
  return best ?? { parameters: state.parameters, epochs: Math.round(state.step / steps) };
}

/** The best epoch so far, and the number of validation rows that it classifies correctly. */
interface Best extends Trained {
  readonly right: number;
}

/** The earlier one of two equally good epochs is kept. */
function better(best: Best | undefined, latest: Best): Best {
  return best && best.right >= latest.right ? best : latest;
}

const BEST = 'best.';

/** A state that contains the best epoch, which a continued training must not lose. */
function packed(state: TrainingState, best?: Best): TrainingState {
  if (!best) return state;
  const kept = Object.entries(best.parameters).map(([name, tensor]) => [`${BEST}${name}`, tensor]);
  const numbers = floatTensor([2], Float32Array.of(best.epochs, best.right));
  return { ...state, parameters: { ...state.parameters, ...Object.fromEntries(kept), [BEST]: numbers } };
}

function unpacked(state: TrainingState): { start: TrainingState; best?: Best } {
  const { [BEST]: numbers, ...rest } = state.parameters;
  if (!numbers) return { start: state };
  const part = (wanted: boolean) =>
    Object.entries(rest).filter(([name]) => name.startsWith(BEST) === wanted) as [string, Tensor][];
  const [epochs, right] = numbers.data as unknown as readonly [number, number];
  const parameters = Object.fromEntries(
    part(true).map(([name, tensor]) => [name.slice(BEST.length), tensor]),
  );
  return {
    start: { ...state, parameters: Object.fromEntries(part(false)) },
    best: { parameters, epochs, right },
  };
}

/** Takes one step on the rows of a batch. Returns its loss, and the share that was correct before the step. */
async function takeStep(
  trainer: Trainer,
  features: Matrix,
  classOf: ArrayLike<number>,
  members: ArrayLike<number>,
  rate: number,
): Promise<{ loss: number; accuracy: number }> {
  const rows = Array.from(members);
  const batch = selectRows(features, rows);
  const labels = Float32Array.from(rows, (i) => classOf[i]!);
  const { loss, observed } = await trainer.step(
    { f: floatTensor([batch.rows, batch.cols], batch.data), labels: floatTensor([rows.length, 1], labels) },
    rate,
  );
  return { loss, accuracy: observed.correct! / rows.length };
}

/** The view of each example for an epoch: its augmented views in turn, or its plain view if there is no other. */
export function viewsOf({ features, example, view, labels }: Support, epoch: number): Matrix {
  const own: number[][] = Array.from(labels, () => []);
  example.forEach((e, r) => {
    own[e]!.push(r);
  });
  return selectRows(
    features,
    own.map((all) => {
      const augmented = all.filter((r) => view[r]! > 0);
      const choice = augmented.length > 0 ? augmented : all;
      return choice[epoch % choice.length]!;
    }),
  );
}

export function shuffled(n: number, size: number, seed: number, epoch: number): number[][] {
  const order = random('batches', seed, epoch).shuffle(Array.from({ length: n }, (_, i) => i));
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => order.slice(i * size, (i + 1) * size));
}

/**
 * Everything that determines the result of a training, piece by piece: the loss as a graph, every tensor that is fed, the optimiser, the
 * rate of every step, the batches and their rows, and the rows that choose the best epoch. Two trainings with equal pieces end with equal
 * bytes, and each can be continued from a checkpoint of the other.
 */
function* identityOf(
  { support, seed, validation }: Task,
  {
    rate,
    epochs,
    batch,
    countCorrect,
    ...training
  }: Training & Required<Pick<Training, 'rows' | 'order' | 'labels'>>,
  { loss, parameters, fixed = {}, optimiser, blocks }: TrainingSpec,
): Generator<IdentityPart> {
  yield toOnnx({ loss });
  yield* tensorsOf(parameters);
  yield* tensorsOf(fixed);
  if (blocks) {
    const { partial, ...cut } = blocks;
    yield toOnnx({ partial });
    yield JSON.stringify(cut);
  }
  const first = training.order(0).map((rows) => Array.from(rows));
  const steps = first.length * epochs;
  const rateAt = rate(steps);
  yield JSON.stringify({ optimiser, epochs, batch, seed, first });
  yield Float64Array.from({ length: steps }, (_, step) => rateAt(step));
  // Rows of later epochs are other views of the same support.
  yield training.rows(0).data;
  yield Int32Array.from(training.labels);
  for (const numbers of [support.features.data, support.example, support.view, support.labels]) yield numbers;
  if (countCorrect && validation) {
    yield 'validation';
    yield validation.features.data;
    yield validation.labels;
  }
}

function* tensorsOf(tensors: Readonly<Record<string, Tensor>>): Generator<IdentityPart> {
  const byName = Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, { dtype, shape, data }] of byName) {
    yield `${name} ${dtype} ${shape.join('x')}`;
    yield data;
  }
}
