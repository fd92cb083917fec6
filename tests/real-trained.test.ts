import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../src/engine/node.ts';
import { methodById } from '../src/methods/index.ts';
import { resolveOptions } from '../src/options.ts';
import { searchMethod, tuningSetOfFolds } from '../src/tuning/search-method.ts';
import { countCorrect, golden, headOf, load, taskOf, there } from './real.fixture.ts';

const engine = createEngine();
afterAll(() => engine.close());

describe.skipIf(!there)(
  'trained heads on real features of Cars (../shared/data and ../shared/golden)',
  () => {
    // The order of batches differs from the reference, whose own seeds differ by up to a point.
    it.each([
      ['tip-adapter-f', 'tip_f', {}, 1],
      ['taskres', 'taskres', { raw: false, epochs: 20 }, 1],
      ['clip-adapter', 'clip_adapter', { epochs: 20 }, 1.5],
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

describe.skipIf(!there)('the linear probe on real features of Caltech-101', () => {
  it('chooses C by the left-out likelihoods of scikit-learn 1.9.1 (LogisticRegression, tol 1e-5, 4 shots)', async () => {
    const expected = [
      { c: 10, nll: 0.4387, accuracy: 89.9 },
      { c: 10 ** 1.5, nll: 0.4323, accuracy: 90.18 },
      { c: 100, nll: 0.433, accuracy: 90.18 },
    ];
    const task = taskOf('caltech101', 4, 100, engine);
    const method = methodById('linear-probe');
    const path = expected.map(({ c }) => ({ c }));
    const found = await searchMethod(engine, method, task, tuningSetOfFolds(task)!, path);
    found.surface.forEach(({ nll }, i) => {
      expect(Math.abs(nll! - expected[i]!.nll)).toBeLessThan(0.005);
    });
    const chosen = expected.find(({ c }) => c === found.options.c)!;
    expect(chosen.c).toBeGreaterThan(10);
    const test = load('caltech101', 'test');
    const state = await method.fit(task, resolveOptions(method.options, { c: chosen.c }));
    const correct = await countCorrect(engine, method.id, state, task, test);
    expect(Math.abs((100 * correct) / test.labels.length - chosen.accuracy)).toBeLessThan(0.15);
  });
});
