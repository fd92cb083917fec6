import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { argmax, dot, type Matrix, matrixOf, row, selectRows, unitRows } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { goldenTensors, smallQueries, smallTask } from '../methods/golden.fixture.ts';
import { methodById } from '../methods/index.ts';
import { keysOf } from '../methods/task.ts';
import { tipAdapterF } from '../methods/tip-adapter-f.ts';
import { resolveOptions } from '../options.ts';
import { searchMethod, type TuningSet, tuningSetOfFolds } from '../tuning/search-method.ts';
import { tuneByFolds } from '../tuning/tune.ts';
import { chooseMethod, fitWanted } from './model-selection.ts';

const engine = createEngine();
afterAll(() => engine.close());
const defaults = { template: 'a photo of {}', alpha: 7, beta: 3, maxBeta: 60 };
const oneShot = { ...smallTask.support, groups: smallTask.support.labels };

describe('choosing the constants of a cache', () => {
  it('tunes APE by the scores of APE, not by those of the plain cache', async () => {
    const { options, choice } = await chooseMethod(engine, smallTask, defaults, {
      method: 'ape',
      tune: 'folds',
    });
    const plain = await tuneByFolds(engine, smallTask, { minBeta: 0.5, ...defaults });
    const ape = methodById('ape');
    const taken = [{ alpha: plain?.alpha, beta: plain?.beta }];
    const { nll } = await searchMethod(
      engine,
      ape,
      smallTask,
      tuningSetOfFolds(smallTask) as TuningSet,
      taken,
    );
    expect(choice.nll).toBeLessThan(nll);
    expect(choice.surface.map(({ beta }) => beta)).toContain(options.beta);
  });

  it('keeps given constants, and uses those of the encoder without tuning rows', async () => {
    const given = await chooseMethod(engine, smallTask, defaults, { method: 'ape', tune: 'folds', alpha: 2 });
    expect(given.options.alpha).toBe(2);
    expect(given.choice).toMatchObject({ protocol: 'folds', given: ['alpha'], tuned: ['beta'] });
    expect(given.choice.surface.map(({ beta }) => beta)).toContain(given.options.beta);
    const single = { ...smallTask, support: oneShot };
    const alone = await chooseMethod(engine, single, defaults, { method: 'ape', tune: 'folds' });
    expect(alone).toMatchObject({ options: { alpha: 7, beta: 3 }, choice: { protocol: 'fixed' } });
  });

  it('takes those of the examples for ProKeR where none can be left out, and the published ones with fixed', async () => {
    const single = { ...smallTask, support: oneShot };
    const { options, choice } = await chooseMethod(engine, single, defaults, {
      method: 'proker',
      tune: 'folds',
    });
    expect(options).toEqual({ beta: expect.any(Number), lambda: expect.any(Number) });
    expect(choice).toMatchObject({ protocol: 'fixed', fromExamples: ['beta', 'lambda'] });
    const fixed = await chooseMethod(engine, single, defaults, { method: 'proker', tune: 'fixed' });
    expect(fixed.options).toEqual({});
    expect(fixed.choice.fromExamples).toBeUndefined();
    const wanted = { method: 'proker', tune: 'folds', options: { lambda: 0.5 } } as const;
    const given = await chooseMethod(engine, single, defaults, wanted);
    expect(given.options).toEqual({ beta: options.beta, lambda: 0.5 });
    expect(given.choice).toMatchObject({ fromExamples: ['beta'], given: ['lambda'] });
  });
});

describe('options that a paper has for a data set', () => {
  it('are used if the prompts are named after it, unless others are given', async () => {
    const wanted = { method: 'ape', tune: 'folds', prompts: 'cars' } as const;
    const { options, choice } = await chooseMethod(engine, smallTask, defaults, wanted);
    expect(options).toMatchObject({ channels: 500 / 1024, agreement: 0.6 });
    expect(choice.given).toBeUndefined();
    const own = { ...wanted, options: { channels: 1 } };
    expect((await chooseMethod(engine, smallTask, defaults, own)).options).toMatchObject({ channels: 1 });
  });

  it('are replaced by a search with --thorough', async () => {
    const wanted = { method: 'ape', tune: 'folds', prompts: 'cars', options: { thorough: true } } as const;
    const { choice } = await chooseMethod(engine, smallTask, defaults, wanted);
    expect(choice.tuned).toEqual(['channels', 'gamma', 'beta', 'alpha']);
    expect(new Set(choice.surface.map(({ gamma }) => gamma)).size).toBe(4);
    expect(new Set(choice.surface.map(({ channels }) => channels)).size).toBe(3);
  });
});

describe('Tip-Adapter-F under protocol paper', () => {
  const small = goldenTensors('tip_adapter/small');
  const rows = (features: Matrix, labels: Int32Array) => ({ features, labels });
  const queries = rows(
    smallQueries,
    Int32Array.from(small.get('query_labels')!.data as BigInt64Array, Number),
  );
  const half = (odd: number) => {
    const kept = [...queries.labels.keys()].filter((i) => i % 2 === odd);
    return rows(
      selectRows(queries.features, kept),
      Int32Array.from(kept, (i) => queries.labels[i]!),
    );
  };
  const [reported, searched] = [half(0), half(1)];
  const wanted = { method: 'tip-adapter-f', tune: 'paper', prompts: 'dtd', options: { epochs: 3 } } as const;

  /** Right answers of 100 f W^T + alpha exp(-beta (1 - f K^T)) L, in plain loops. */
  const correct = (keys: Matrix, { features, labels }: typeof queries, alpha: number, beta: number) =>
    labels.filter((label, i) => {
      const f = row(unitRows(features), i);
      const scores = Array.from({ length: 6 }, (_, c) => 100 * dot(f, row(smallTask.head.weights, c)));
      smallTask.support.labels.forEach((own, k) => {
        scores[own]! += alpha * Math.exp(-beta * (1 - dot(f, row(keys, k))));
      });
      return argmax(scores) === label;
    }).length;

  it('trains with the constants of the data set, searches with the trained keys, and keeps the better of the two', async () => {
    const task = { ...smallTask, engine, validation: reported };
    const { state, options, choice } = await fitWanted(engine, task, wanted, {
      defaults,
      validation: searched,
    });
    const start = { alpha: 2, beta: 1 };
    const trained = await tipAdapterF.fit(task, resolveOptions(tipAdapterF.options, { ...start, epochs: 3 }));
    expect((state.keys as Tensor).data).toEqual(trained.keys.data);
    expect(trained.keys.data).not.toEqual(keysOf(smallTask.support).data);

    const keys = matrixOf(trained.keys);
    let found = { alpha: 0, beta: 0, right: 0 };
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 20; j++) {
        const [beta, alpha] = [0.1 + (i * 12.9) / 200, 0.1 + (j * 12.9) / 20];
        const right = correct(keys, searched, alpha, beta);
        if (right > found.right) found = { alpha, beta, right };
      }
    }
    const before = correct(keys, reported, start.alpha, start.beta);
    const after = correct(keys, reported, found.alpha, found.beta);
    const kept = after >= before ? found : start;
    expect(options.alpha).toBeCloseTo(kept.alpha, 4);
    expect(options.beta).toBeCloseTo(kept.beta, 4);
    expect(state).toMatchObject({ alpha: options.alpha, beta: options.beta });
    expect(choice).toMatchObject({
      protocol: 'paper',
      tuned: ['alpha', 'beta'],
      judges: searched.labels.length,
    });
  });

  it('keeps the constants of the training if the found ones are worse on the reported rows', async () => {
    const task = { ...smallTask, engine, validation: reported };
    const misleading = rows(
      searched.features,
      searched.labels.map((label) => (label + 1) % 6),
    );
    const { options } = await fitWanted(engine, task, wanted, { defaults, validation: misleading });
    expect(options).toMatchObject({ alpha: 2, beta: 1 });
  });

  it('takes the published number of epochs', async () => {
    const { options } = await chooseMethod(
      engine,
      { ...smallTask, validation: reported },
      defaults,
      { ...wanted, prompts: 'eurosat', options: {} },
      searched,
    );
    expect(options).toMatchObject({ alpha: 2, beta: 1, epochs: 100 });
  });
});

describe('a method that sets its own scale', () => {
  it('is calibrated by its own left-out examples, or by the split of the protocol', async () => {
    const wanted = { method: 'whitened', tune: 'folds' } as const;
    const { choice } = await fitWanted(engine, smallTask, wanted, { defaults });
    expect(choice).toMatchObject({ temperature: 1, judges: 48, folds: 4 });
    const { support } = smallTask;
    const validation = { features: support.features, labels: support.labels };
    const bySplit = await fitWanted(engine, smallTask, { ...wanted, tune: 'val' }, { defaults, validation });
    expect(bySplit.choice).toMatchObject({ protocol: 'val', judges: 48, folds: 0 });
    expect(bySplit.choice.temperature).not.toBe(1);
  });
});
