import { afterAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { createEngine } from '../engine/node.ts';
import type { TrainingState } from '../engine/training/types.ts';
import { argmax, matrix, row, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import type { Tensor } from '../math/tensor.ts';
import {
  expectClose,
  goldenMatrix,
  goldenNumbers,
  goldenTensors,
  smallQueries,
  smallTask,
} from './golden.fixture.ts';
import type { TaskWith } from './method.ts';
import { scoreRows } from './score.ts';
import { type Checkpoint, plainSupport } from './task.ts';
import { keyTraining, tipAdapterF, trainKeys } from './tip-adapter-f.ts';

const golden = goldenTensors('tip_adapter_f/trajectory');
const numbers = goldenNumbers('tip_adapter_f/trajectory');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const published = { alpha: 1, beta: 5.5, epochs: 20, rate: 1e-3, batch: 16 };
const views = golden.get('train_views') as Tensor;
const batches = golden.get('batch_indices') as Tensor;

const rowsOf = ({ shape, data }: Tensor) => matrix(shape[0]!, shape[1]!, data as Float32Array);

/** The training of the fixture, with its own views and order. */
function goldenTraining(task: TaskWith<'text'>) {
  return {
    ...keyTraining(task, published),
    rows: (epoch: number) =>
      matrix(48, 32, (views.data as Float32Array).subarray(epoch * 48 * 32, (epoch + 1) * 48 * 32)),
    order: (epoch: number) =>
      [0, 1, 2].map((s) =>
        (batches.data as Int32Array).subarray((epoch * 3 + s) * 16, (epoch * 3 + s + 1) * 16),
      ),
  };
}

describe.each([
  ['interpreter', interpreterEngine()],
  ['node', engine],
])('Tip-Adapter-F follows PyTorch on the %s engine', (_, runs) => {
  it('through all twenty epochs', async () => {
    const losses: number[] = [];
    const kept: TrainingState[] = [];
    const task: TaskWith<'text'> = {
      ...smallTask,
      engine: runs,
      onProgress: ({ loss }) => losses.push(loss!),
      checkpoint: { open: async () => ({ save: async (state) => void kept.push(state) }) },
    };
    const { keys, epochs } = await trainKeys(task, goldenTraining(task));
    expect(epochs).toBe(20);
    expect(losses).toHaveLength(60);
    losses.forEach((loss, i) => {
      expect(Math.abs(loss - numbers.loss_per_step[i])).toBeLessThan(1e-5);
    });
    expectClose(rowsOf(keys), goldenMatrix(golden, 'keys_final'), 1e-5);
    const state = { keys, alpha: 1, beta: 5.5, epochs };
    expectClose(
      scoreRows(tipAdapterF as never, state, task, smallQueries),
      goldenMatrix(golden, 'query_logits_final'),
      1e-4,
    );
  });
});

describe('an interrupted training', () => {
  const bytes = ({ data }: Tensor) => Buffer.from((data as Float32Array).buffer).toString('hex');
  const training = (task: TaskWith<'text'>) => ({ ...keyTraining(task, { ...published, epochs: 4 }) });

  it('returns its last full epoch, and when continued gives the same bytes as one that was not interrupted', async () => {
    const whole = await trainKeys({ ...smallTask, engine }, training(smallTask));
    let kept: TrainingState | undefined;
    const stop = new AbortController();
    const checkpoint: Checkpoint = {
      open: async () => ({
        state: kept,
        save: async (state) => {
          kept = state;
        },
      }),
    };
    const task = { ...smallTask, engine, checkpoint };
    const onProgress = ({ done }: { done: number }) => done === 8 && stop.abort();
    const part = await trainKeys({ ...task, signal: stop.signal, onProgress }, training(task));
    expect(part.epochs).toBe(2);
    const rest = await trainKeys(task, training(task));
    expect(rest.epochs).toBe(4);
    expect(bytes(rest.keys)).toBe(bytes(whole.keys));
    expect(bytes(part.keys)).not.toBe(bytes(whole.keys));
  });

  it('ends in an error if nothing was kept', async () => {
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    const task = { ...smallTask, engine, signal: stop.signal, onProgress };
    await expect(trainKeys(task, training(task))).rejects.toThrow('Interrupted');
  });
});

describe('a validation split', () => {
  const numbers = goldenTensors('tip_adapter/small').get('query_labels') as Tensor;
  const validation = { features: smallQueries, labels: Int32Array.from(numbers.data, Number) };
  // With this high rate, the last epoch is not the best.
  const options = { ...published, epochs: 6, rate: 0.5 };

  it('chooses the epoch with the highest accuracy on it, and the first of equal ones', async () => {
    const task = { ...smallTask, engine, validation };
    const training = keyTraining(task, options);
    const right: number[] = [];
    const countCorrect = async (parameters: Readonly<Record<string, Tensor>>) => {
      right.push(await training.countCorrect!(parameters));
      return right.at(-1)!;
    };
    const { keys, epochs } = await trainKeys(task, { ...training, countCorrect });
    expect(right).toHaveLength(6);
    expect(epochs).toBe(right.indexOf(Math.max(...right)) + 1);
    expect(epochs).toBeLessThan(6);
    const scores = scoreRows(tipAdapterF as never, { keys, alpha: 1, beta: 5.5 }, smallTask, smallQueries);
    const hits = [...validation.labels].filter((label, i) => argmax(row(scores, i)) === label);
    expect(hits).toHaveLength(Math.max(...right));
  });

  it('keeps the best epoch of a training that is interrupted after it', async () => {
    let kept: TrainingState | undefined;
    const checkpoint: Checkpoint = {
      open: async () => ({
        state: kept,
        save: async (state) => {
          kept = state;
        },
      }),
    };
    const task = { ...smallTask, engine, validation, checkpoint };
    const whole = await trainKeys({ ...task, checkpoint: undefined }, keyTraining(task, options));
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }) => done === 3 * 5 + 1 && stop.abort();
    await trainKeys({ ...task, signal: stop.signal, onProgress }, keyTraining(task, options));
    const rest = await trainKeys(task, keyTraining(task, options));
    expect(rest).toEqual(whole);
  });
});

describe('ragged classes', () => {
  it('train as on the plain engine, and padding changes nothing', async () => {
    const noise = random('ragged');
    const labels = Int32Array.from([0, 0, 0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5]);
    const features = unitRows(
      matrix(
        labels.length,
        32,
        Float32Array.from({ length: labels.length * 32 }, () => noise.normal()),
      ),
    );
    const task: TaskWith<'text'> = { ...smallTask, support: plainSupport(features, labels) };
    const options = { ...published, epochs: 3, batch: 8 };
    const [a, b] = [
      await trainKeys({ ...task, engine }, keyTraining(task, options)),
      await trainKeys(task, keyTraining(task, options)),
    ];
    expectClose(rowsOf(a.keys), rowsOf(b.keys), 1e-5);
    const moved = rowsOf(a.keys).data.some((x, i) => Math.abs(x - features.data[i]!) > 1e-4);
    expect(moved).toBe(true);
  });
});
