import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { matmulT } from '../graph/products.ts';
import { matrix, row } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import { smallTask } from '../methods/golden.fixture.ts';
import { methodById } from '../methods/index.ts';
import { defineMethod } from '../methods/method.ts';
import { type FitProgress, plainSupport } from '../methods/task.ts';
import { real, resolveOptions } from '../options.ts';
import { searchMethod, tuningSetOfFolds } from './search-method.ts';

const CLASSES = 4;
const SHOTS = 6;

/** Rows that show their class in the first half of their columns, and nothing in the second. */
const task = (() => {
  const { normal } = random('paths');
  const labels = Array.from({ length: CLASSES * SHOTS }, (_, i) => i % CLASSES);
  const features = matrix(labels.length, 2 * CLASSES);
  labels.forEach((label, i) => {
    row(features, i)[label] = 1;
    for (let c = 0; c < CLASSES; c++) row(features, i)[CLASSES + c] = normal();
  });
  return { classes: CLASSES, dimension: 2 * CLASSES, support: plainSupport(features, labels), seed: 1 };
})();

/** A method that uses as much of the class as its option says: 0 for nothing, 1 for all. */
const knowing = (path: readonly number[], name?: string, max?: number) =>
  defineMethod({
    path: name,
    id: 'knowing',
    name: 'Knowing',
    paper: 'none',
    needs: ['examples'],
    options: { share: real({ default: 0, max, help: 'What it knows.' }) },
    search: () => path.map((share) => ({ share })),
    fit: (_, { share }) => {
      const weights = new Float32Array(CLASSES * 2 * CLASSES);
      for (let c = 0; c < CLASSES; c++) {
        weights[c * 2 * CLASSES + c] = share;
        weights[c * 2 * CLASSES + CLASSES + c] = 1 - share;
      }
      return { weights: floatTensor([CLASSES, 2 * CLASSES], weights) };
    },
    holds: () => ({ weights: {} }),
    prepare: (state) => state,
    terms: (f, { weights }) => ({ method: matmulT(f, weights) }),
  });

const engine = createEngine();
afterAll(() => engine.close());

describe('the search of a path', () => {
  const tuningSet = tuningSetOfFolds(task)!;
  const found = (path: readonly number[]) => searchMethod(engine, knowing(path), task, tuningSet);

  it.each([
    ['the upper', [0.05, 0.1]],
    ['the lower', [12, 24]],
  ])('goes on beyond %s end of a path where the best value lies', async (_, path) => {
    const within = await found(path);
    const beyond = await searchMethod(engine, knowing(path, 'share'), task, tuningSet);
    expect(path).toContain(within.options.share);
    expect(path).not.toContain(beyond.options.share);
    expect(beyond.nll).toBeLessThan(within.nll - 0.01);
    // It stopped because a further step gained nothing, and not because the path was long.
    expect(beyond.surface.length).toBeLessThan(16);
  });

  it('goes on up to the largest value of the option', async () => {
    const { options } = await searchMethod(engine, knowing([0.05, 0.1], 'share', 0.3), task, tuningSet);
    expect(options.share).toBe(0.1);
  });

  it('reports progress that never decreases', async () => {
    const shares: number[] = [];
    const onProgress = ({ done, total }: FitProgress) => shares.push(done / total);
    await searchMethod(engine, knowing([0.05, 0.1], 'share'), { ...task, onProgress }, tuningSet);
    expect(shares.length).toBeGreaterThan(0);
    expect(shares).toEqual(shares.toSorted((x, y) => x - y));
  });

  it('reports the steps of the training of each fold as parts of all steps', async () => {
    const seen: FitProgress[] = [];
    const onProgress = (progress: FitProgress) => void seen.push(progress);
    const trained = methodById('rla');
    const wanted = [resolveOptions(trained.options, { epochs: 3 })];
    await searchMethod(engine, trained, { ...smallTask, onProgress }, tuningSetOfFolds(smallTask)!, wanted);
    expect(seen).toEqual(
      Array.from({ length: 12 }, (_, step) => ({ done: step + 1, total: 12, unit: 'step' })),
    );
  });

  it('takes the best candidate at any position, however often the likelihood falls and rises before it', async () => {
    const paths = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(paths, async (tenths) => {
        const { options, surface, nll } = await found(tenths.map((tenth) => tenth / 10));
        expect(options.share).toBe(Math.max(...tenths) / 10);
        expect(surface.map(({ share }) => share)).toEqual(tenths.map((tenth) => tenth / 10));
        expect(nll).toBe(Math.min(...surface.map((point) => point.nll!)));
      }),
      { numRuns: 20 },
    );
  });

  it('continues if the second point of a linear probe is worse and the fourth far better', async () => {
    const { options, surface } = await found([0.3, 0.1, 0.15, 0.8, 0.85, 0.9]);
    expect(surface[1]!.nll!).toBeGreaterThan(surface[0]!.nll! + 0.01);
    expect(options.share).toBe(0.9);
  });
});
