import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { smallTask } from '../methods/golden.fixture.ts';
import { methodById } from '../methods/index.ts';
import { searchMethod, type TuningSet, tuningSetOfFolds } from '../tuning/search-method.ts';
import { tuneByFolds } from '../tuning/tune.ts';
import { chooseMethod, fitWanted } from './model-selection.ts';

const engine = createEngine();
afterAll(() => engine.close());
const defaults = { template: 'a photo of {}', alpha: 7, beta: 3, maxAlpha: 300, maxBeta: 60 };
const oneShot = { ...smallTask.support, groups: smallTask.support.labels };

describe('choosing the constants of a cache', () => {
  it('tunes APE by what APE says, not by the plain cache', async () => {
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

  it('holds the constants that are given, and has those of the encoder without tuning rows', async () => {
    const given = await chooseMethod(engine, smallTask, defaults, { method: 'ape', tune: 'folds', alpha: 2 });
    expect(given.options.alpha).toBe(2);
    expect(given.choice).toMatchObject({ protocol: 'folds', given: ['alpha'], tuned: ['beta'] });
    expect(given.choice.surface.map(({ beta }) => beta)).toContain(given.options.beta);
    const single = { ...smallTask, support: oneShot };
    const alone = await chooseMethod(engine, single, defaults, { method: 'ape', tune: 'folds' });
    expect(alone).toMatchObject({ options: { alpha: 7, beta: 3 }, choice: { protocol: 'fixed' } });
  });
});

describe('a method that sets its own scale', () => {
  it('is calibrated by the examples it left out itself, and by a split where one is looked at', async () => {
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
