import { afterAll, describe, expect, it } from 'vitest';
import { atOnce } from '../abort.ts';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { createEngine } from '../engine/node.ts';
import { constantRate } from '../engine/training/schedule.ts';
import { type Matrix, matrix, unitRows } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { resolveOptions } from '../options.ts';
import { apeT } from './ape-t.ts';
import { clap, prototypeTraining, trustInText } from './clap.ts';
import { adapterTraining, clipAdapter } from './clip-adapter.ts';
import { crossModal, headTraining } from './cross-modal.ts';
import {
  expectClose,
  goldenMatrix,
  goldenNumbers,
  goldenTensors,
  smallQueries,
  smallTask,
} from './golden.fixture.ts';
import { methodById } from './index.ts';
import { lpPlusPlus } from './lp-plus-plus.ts';
import type { TaskWith } from './method.ts';
import { scoreRows } from './score.ts';
import { residualTraining, taskRes } from './taskres.ts';
import { rawText } from './text-length.ts';
import { tipAdapter } from './tip-adapter.ts';
import { type Training, train } from './train.ts';

const numbers = goldenNumbers('trained/scalars');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const everyRow = [Array.from({ length: 48 }, (_, i) => i)];

/** Full batches at a constant rate, as the fixtures are: parameters after `epochs` steps, and the loss before each. */
async function follow(task: TaskWith<'text'>, training: Training, epochs: number, rate: number) {
  const losses: number[] = [];
  const { parameters } = await train(
    { ...task, onProgress: ({ loss }) => losses.push(loss!) },
    {
      rows: () => task.support.features,
      order: () => everyRow,
      ...training,
      epochs,
      rate: () => constantRate(rate),
    },
  );
  return { parameters, losses };
}

const asMatrix = ({ shape, data }: Tensor): Matrix => matrix(shape[0]!, shape[1]!, data as Float32Array);
const tensorOf = ({ rows, cols, data }: Matrix): Tensor => floatTensor([rows, cols], data);

function expectLosses(got: readonly number[], expected: readonly number[]): void {
  got.forEach((loss, i) => {
    expect(Math.abs(loss - expected[i]!)).toBeLessThan(1e-5);
  });
}

const engines = [
  ['interpreter', interpreterEngine()],
  ['node', engine],
] as const;

describe.each(engines)('heads follow PyTorch on the %s engine', (_, runs) => {
  const task: TaskWith<'text'> = { ...smallTask, engine: runs };

  it('TaskRes on unit text', async () => {
    const golden = goldenTensors('trained/taskres');
    const options = { scale: 0.5, raw: false, epochs: 5, rate: 2e-3, batch: 48 };
    const training = residualTraining(task, options);
    const plain = { ...training, optimiser: { kind: 'adam' } as const };
    const one = await follow(task, plain, 1, 2e-3);
    expectClose(asMatrix(one.parameters.residual!), goldenMatrix(golden, 'x_after_1'), 1e-5);
    const five = await follow(task, plain, 5, 2e-3);
    expectClose(asMatrix(five.parameters.residual!), goldenMatrix(golden, 'x_after_5'), 1e-5);
    expectLosses(five.losses, numbers.taskres.loss_before_each_step);
    const decayed = await follow(task, training, 5, 2e-3);
    expectClose(asMatrix(decayed.parameters.residual!), goldenMatrix(golden, 'x_after_5_weight_decay'), 1e-5);
    const state = { residual: five.parameters.residual!, scale: 0.5, raw: 0 };
    const scores = scoreRows(taskRes, state, task, smallQueries);
    expectClose(scores, goldenMatrix(golden, 'query_logits_after_5'));
  });

  it('TaskRes on text of its own length', async () => {
    const golden = goldenTensors('trained/taskres');
    const raw = withText(task, goldenMatrix(golden, 'raw_text'));
    const options = { scale: 0.5, raw: true, epochs: 5, rate: 2e-3, batch: 48 };
    const training = { ...residualTraining(raw, options), optimiser: { kind: 'adam' } as const };
    const five = await follow(raw, training, 5, 2e-3);
    expectClose(asMatrix(five.parameters.residual!), goldenMatrix(golden, 'raw_x_after_5'), 1e-5);
    expectLosses(five.losses, numbers.taskres.raw_loss_before_each_step);
  });

  it('CLIP-Adapter', async () => {
    const golden = goldenTensors('trained/clip_adapter');
    const layers = { w1: tensorOf(goldenMatrix(golden, 'w1')), w2: tensorOf(goldenMatrix(golden, 'w2')) };
    const options = { ratio: 0.2, epochs: 5, rate: 0.01, batch: 48 };
    const sgd = { ...adapterTraining(task, options, layers), optimiser: { kind: 'sgd' } as const };
    const five = await follow(task, sgd, 5, 0.01);
    expectClose(asMatrix(five.parameters.w1!), goldenMatrix(golden, 'w1_after_5'), 1e-5);
    expectClose(asMatrix(five.parameters.w2!), goldenMatrix(golden, 'w2_after_5'), 1e-5);
    expectLosses(five.losses, numbers.clip_adapter.loss_before_each_step);
    const state = { ...five.parameters, ratio: 0.2 };
    const scores = scoreRows(clipAdapter, state, task, smallQueries);
    expectClose(scores, goldenMatrix(golden, 'query_logits_after_5'));
  });

  it('the cross-modal probe', async () => {
    const golden = goldenTensors('trained/cross_modal');
    const indices = (name: string) => Array.from(golden.get(name)?.data as Int32Array);
    const batch = [...indices('image_indices'), ...indices('text_indices').map((c) => 48 + c)];
    const training = headTraining(task, { steps: 5, rate: 1e-3, batch: 8 });
    const five = await follow(task, { ...training, order: () => [batch] }, 5, 1e-3);
    expectClose(asMatrix(five.parameters.learnt!), goldenMatrix(golden, 'head_after_5'), 1e-5);
    expectLosses(five.losses, numbers.cross_modal.loss_before_each_step);
    const scores = (blend: number) =>
      scoreRows(crossModal, { learnt: five.parameters.learnt!, blend }, task, smallQueries);
    expectClose(scores(0), goldenMatrix(golden, 'query_logits_after_5'));
    const half = { learnt: tensorOf(goldenMatrix(golden, 'wiseft_head_after_5')), blend: 0 };
    expectClose(scores(0.5), scoreRows(crossModal, half, task, smallQueries), 1e-3);
  });

  it.each([
    ['CLAP', 'prototypes_after_10', 'clap', 0.1, 0.9],
    ['CLAP without momentum', 'prototypes_after_10_no_momentum', 'clap', 0.1, 0],
    ['CLAP on unit text', 'unit.prototypes_after_10', 'unit', 1e-3, 0.9],
  ])('%s', async (_name, expected, kind, rate, momentum) => {
    const golden = goldenTensors('trained/clap');
    const text =
      kind === 'unit'
        ? goldenMatrix(goldenTensors('tip_adapter/small'), 'text_weights')
        : goldenMatrix(golden, 'text_raw');
    const views = goldenTensors('tip_adapter_f/trajectory').get('train_views') as Tensor;
    const base = withText(task, text);
    const raw: TaskWith<'text'> = {
      ...base,
      support: {
        ...base.support,
        features: matrix(960, 32, views.data as Float32Array),
        example: Int32Array.from({ length: 960 }, (_row, r) => r % 48),
        view: Int32Array.from({ length: 960 }, (_row, r) => 1 + Math.floor(r / 48)),
      },
    };
    const training = prototypeTraining(raw, rawText(raw), atOnce(trustInText(raw)), {
      epochs: 10,
      rate,
      batch: 960,
    });
    const { parameters, losses } = await follow(
      raw,
      {
        ...training,
        optimiser: { kind: 'sgd', momentum },
        order: () => [Array.from({ length: 960 }, (_row, i) => i)],
      },
      10,
      rate,
    );
    const close = kind === 'unit' ? 1e-4 : 1e-5;
    expectClose(asMatrix(parameters.prototypes!), goldenMatrix(golden, expected), close);
    const told = numbers.clap[kind === 'unit' ? 'unit' : 'no_momentum'];
    const wanted = momentum === 0.9 && kind === 'clap' ? numbers.clap : told;
    expect(Math.abs(losses[9]! - wanted.loss_before_each_step[9])).toBeLessThan(1e-4);
    if (kind === 'unit') return;
    const trust = atOnce(trustInText(raw));
    numbers.clap.multipliers.forEach((value: number, c: number) => {
      expect(trust[c]).toBeCloseTo(value, 5);
    });
    if (momentum === 0) return;
    const scores = scoreRows(clap, { prototypes: parameters.prototypes! }, raw, smallQueries);
    expectClose(scores, goldenMatrix(golden, 'query_logits_after_10'), 1e-3);
  });
});

describe.each(engines)('LP++ follows PyTorch on the %s engine', (_, runs) => {
  const golden = goldenTensors('trained/lp_plus_plus');
  it.each([
    [1, 1e-5],
    [10, 1e-4],
    [300, 1e-3],
  ])('agrees after %d iterations, with cleared and with added gradients', async (iterations, tolerance) => {
    for (const kind of ['zeroed', 'official']) {
      const options = { iterations, official: kind === 'official' };
      const state = await lpPlusPlus.fit({ ...smallTask, engine: runs }, options);
      expectClose(asMatrix(state.w), goldenMatrix(golden, `${kind}.w_after_${iterations}`), tolerance);
      for (const name of ['b', 'a'] as const) {
        const { data } = golden.get(`${kind}.${name === 'a' ? 'alpha' : 'b'}_after_${iterations}`) as Tensor;
        const got = matrix(1, 6, state[name].data as Float32Array);
        expectClose(got, matrix(1, 6, data as Float32Array), tolerance);
      }
      if (iterations < 300) continue;
      const scores = scoreRows(lpPlusPlus, state, smallTask, smallQueries);
      expectClose(scores, goldenMatrix(golden, `${kind}.query_logits`), 5e-3);
    }
  });
});

describe('text without a length of its own', () => {
  const times = (m: Matrix, factor: number) =>
    matrix(
      m.rows,
      m.cols,
      m.data.map((x) => factor * x),
    );
  const { weights } = smallTask.head;
  const [unit, long] = [withText(smallTask, weights), withText(smallTask, times(weights, 9.9))];

  it.each([
    ['clap', 'prototypes', {}],
    ['taskres', 'residual', {}],
  ])('is scaled by %s to the usual length of CLIP, with a remark', async (id, name, given) => {
    const method = methodById(id);
    const options = resolveOptions(method.options, { ...given, epochs: 3 });
    const [a, b] = [await method.fit(unit, options), await method.fit(long, options)];
    expectClose(asMatrix(a[name] as Tensor), asMatrix(b[name] as Tensor), 1e-4);
    expect(method.remarks!(unit, options, a)).toEqual([expect.stringContaining('were scaled to 9.9')]);
    expect(method.remarks!(long, options, b)).toEqual([]);
  });

  it('is unchanged in TaskRes without raw', () => {
    const method = methodById('taskres');
    expect(method.remarks!(unit, resolveOptions(method.options, { raw: false }), {})).toEqual([]);
  });
});

describe("CLAP's epochs", () => {
  it('take as many random views as there are examples, and drop rows that do not fill a batch', () => {
    const support = {
      ...smallTask.support,
      features: matrix(
        96,
        32,
        Float32Array.of(...smallTask.support.features.data, ...smallTask.support.features.data),
      ),
      example: Int32Array.from({ length: 96 }, (_, r) => r % 48),
      view: Int32Array.from({ length: 96 }, (_, r) => Math.floor(r / 48)),
    };
    const task = { ...smallTask, support };
    const order = (batch: number, epoch: number) => {
      const how = { epochs: 3, rate: 0.1, batch };
      return prototypeTraining(task, smallTask.head.weights, new Float32Array(6), how).order!(epoch);
    };
    expect(order(20, 0).map(({ length }) => length)).toEqual([20, 20]);
    expect(order(256, 0).map(({ length }) => length)).toEqual([96]);
    expect(Array.from(order(20, 0)[0]!)).not.toEqual(Array.from(order(20, 1)[0]!));
    expect(Math.max(...order(20, 0).flatMap((rows) => Array.from(rows)))).toBeGreaterThan(47);
  });
});

describe('APE-T', () => {
  const options = { alpha: 1, beta: 5.5, channels: 0.5, epochs: 4, rate: 1e-2, batch: 16 };

  it('is Tip-Adapter before the first step', () => {
    const shape = [6, 32];
    const state = {
      residual: floatTensor(shape, new Float32Array(192)),
      values: floatTensor([6, 8], new Float32Array(48).fill(1)),
      mask: floatTensor([32], new Float32Array(32).fill(1)),
      alpha: 1,
      beta: 5.5,
    };
    expectClose(
      scoreRows(apeT, state, smallTask, smallQueries),
      scoreRows(tipAdapter, { alpha: 1, beta: 5.5 }, smallTask, smallQueries),
    );
  });

  it('lowers the loss, changes kept channels only, and gives the same on both engines', async () => {
    const losses: number[] = [];
    const onProgress = ({ loss }: { loss?: number }) => void losses.push(loss!);
    const a = await apeT.fit({ ...smallTask, onProgress }, options);
    const b = await apeT.fit({ ...smallTask, engine }, options);
    expectClose(asMatrix(a.residual as Tensor), asMatrix(b.residual as Tensor), 1e-4);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    const { data } = a.mask as Tensor;
    expect((a.values as Tensor).data.every((v) => Number(v) === 1)).toBe(false);
    const moved = (a.residual as Tensor).data as Float32Array;
    expect(moved.some((x, at) => x !== 0 && Number(data[at % 32]) === 0)).toBe(false);
  });
});

function withText(task: TaskWith<'text'>, raw: Matrix): TaskWith<'text'> {
  const promptClass = Int32Array.of(0, 1, 2, 3, 4, 5);
  return { ...task, head: { weights: unitRows(raw), promptFeatures: raw, promptClass, logitScale: 100 } };
}

it('with other labels is another training for a checkpoint', async () => {
  const identity = async (labels: Int32Array) => {
    const parts: unknown[] = [];
    const checkpoint = {
      open: async (pieces: Iterable<unknown>) => {
        parts.push(...pieces);
        return { save: async () => {} };
      },
    };
    const options = { scale: 0.5, raw: false, epochs: 1, rate: 2e-3, batch: 48 };
    await train({ ...smallTask, checkpoint }, { ...residualTraining(smallTask, options), labels });
    return parts;
  };
  const { labels } = smallTask.support;
  const other = labels.map((label) => 5 - label);
  expect(await identity(labels)).toEqual(await identity(labels));
  expect(await identity(labels)).not.toEqual(await identity(other));
});
