import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../src/engine/node.ts';
import { methodById } from '../src/methods/index.ts';
import { resolveOptions } from '../src/options.ts';
import { countCorrect, golden, headOf, load, taskOf, there } from './real.fixture.ts';

const engine = createEngine();
afterAll(() => engine.close());

describe.skipIf(!there)(
  'trained heads on real features of Cars (../shared/data and ../shared/golden)',
  () => {
    // Batches come in another order than in the reference, whose own seeds differ by up to a point.
    it.each([
      ['tip-adapter-f', 'tip_f', {}, 1],
      ['taskres', 'taskres', { raw: false, epochs: 20 }, 1],
      ['clip-adapter', 'clip_adapter', {}, 1.5],
    ])('%s at four shots is within the margin of PyTorch', async (id, name, given, margin) => {
      const task = taskOf('stanford_cars', 4, 196, engine, headOf('stanford_cars'));
      const method = methodById(id);
      const state = await method.fit(task, resolveOptions(method.options, given));
      const test = load('stanford_cars', 'val');
      const accuracy = (100 * (await countCorrect(engine, id, state, task, test))) / test.labels.length;
      const { mean } = golden.stanford_cars.trained_20_epochs_as_stored.K4[name];
      expect(Math.abs(accuracy - mean)).toBeLessThan(margin);
    });
  },
);
