import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { type Matrix, matrix, row, softmax } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { expectClose, smallQueries, smallTask } from '../methods/golden.fixture.ts';
import { methodById, plainSupport, scoreRows, type Task } from '../methods/index.ts';
import type { StackPart } from '../methods/stack.ts';
import { selectExamples } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { chooseAutomatically } from './auto.ts';
import { outOfFold } from './out-of-fold.ts';
import { fitWeights } from './scale.ts';
import { type Found, searchMethod, type TuningSet, tuningSetOfFolds } from './search-method.ts';
import { shareCorrect } from './share-correct.ts';
import { stackMethods } from './stacking.ts';

const engine = createEngine();
afterAll(() => engine.close());
const RANGE = { minBeta: 0.5, maxBeta: 60 };
const tuningSet = tuningSetOfFolds(smallTask) as TuningSet;

describe('scores of left-out examples', () => {
  it('are those of a fit to the examples that are not hidden, fold by fold and for all folds at once', async () => {
    const anchored = methodById('anchored');
    const oneByOne = { ...anchored, fitSubsets: undefined };
    const [a] = await outOfFold(engine, anchored, smallTask, tuningSet.rows, [{ strength: 0.3 }]);
    const [b] = await outOfFold(engine, oneByOne, smallTask, tuningSet.rows, [{ strength: 0.3 }]);
    expectClose(a!.text!, b!.text!, 1e-4);
    const answers = ({ text, method }: Record<string, Matrix>) => {
      const scores = text!.data.map((x, i) => x + method!.data[i]!);
      return matrix(
        48,
        6,
        Float32Array.from(
          Array.from({ length: 48 }, (_, i) => [...softmax(scores.subarray(6 * i, 6 * i + 6))]).flat(),
        ),
      );
    };
    const [together, apart] = [answers(a!), answers(b!)];
    const mean = together.data.reduce((sum, p, i) => sum + Math.abs(p - apart.data[i]!), 0) / (48 * 6);
    expect(mean).toBeLessThan(0.02);
  });

  it('are no better than chance for random labels', async () => {
    // Labels are noise, so scores that do not depend on the rows' labels are right only by chance.
    const { normal, integer } = random('noise', 1);
    const [n, d] = [120, 64];
    const features = matrix(n, d, Float32Array.from({ length: n * d }, normal));
    const labels = Int32Array.from({ length: n }, () => integer(4));
    const task: Task = { classes: 4, dimension: d, support: plainSupport(features, labels), seed: 1 };
    const own = tuningSetOfFolds(task) as TuningSet;
    const { scores } = await searchMethod(engine, methodById('anchored'), task, own);
    expect(shareCorrect(scores, own.rows.labels)).toBeLessThan(0.45);
  });
});

describe('choosing options', () => {
  it('takes the candidate with the lowest NLL at its own temperature', async () => {
    const found = await searchMethod(engine, methodById('linear-probe'), smallTask, tuningSet);
    const seen = found.surface.map(({ nll }) => nll!);
    expect(found.nll).toBe(Math.min(...seen));
    const alone = await searchMethod(engine, methodById('linear-probe'), smallTask, tuningSet, [
      found.options,
    ]);
    expect(alone.nll).toBeCloseTo(found.nll, 1);
  });

  it('uses at least two folds, and no more than it needs for enough rows', () => {
    const count = (classes: number, shots: number) => {
      const labels = Array.from({ length: classes * shots }, (_, i) => i % classes);
      return tuningSetOfFolds({ ...smallTask, support: plainSupport(matrix(labels.length, 1), labels) });
    };
    expect(count(400, 16)).toMatchObject({ folds: 2, rows: { labels: { length: 3200 } } });
    expect(count(1000, 2)).toMatchObject({ folds: 2, rows: { labels: { length: 2000 } } });
    expect(count(10, 16)).toMatchObject({ folds: 4, rows: { labels: { length: 160 } } });
  });
});

describe('a stack', () => {
  const labels = Int32Array.from({ length: 200 }, (_, i) => i % 3);
  /** Log-odds that are right about the class, except for their noise. */
  const expert = (seed: string, noise: number): Found => {
    const { normal } = random(seed, 1);
    const data = Float32Array.from(
      { length: 600 },
      (_, at) => (labels[Math.floor(at / 3)] === at % 3 ? 1 : 0) + noise * normal(),
    );
    const scores = matrix(200, 3, data);
    const { b, nll } = fitWeights(undefined, scores, labels);
    return { options: {}, temperature: 1 / b, nll, tuned: [], scores, surface: [] };
  };

  it('weights methods that make different errors, and returns their weighted scores', () => {
    const found = new Map([
      ['a', expert('a', 0.7)],
      ['b', expert('b', 0.8)],
    ]);
    const { parts, scores, nll, temperature } = stackMethods(found, labels);
    expect(Object.keys(parts)).toEqual(['a', 'b']);
    expect(parts.a!.share + parts.b!.share).toBeCloseTo(1);
    expect(parts.a!.share).toBeGreaterThan(parts.b!.share);
    expect(shareCorrect(scores, labels)).toBeGreaterThan(shareCorrect(expert('a', 0.7).scores, labels));
    const pooled = (i: number) =>
      [0, 1, 2].map((c) =>
        Object.entries(parts).reduce((sum, [id, { sharpness, share }]) => {
          const p = softmax(row(found.get(id)!.scores, i), 1 / sharpness);
          return sum + (share * Math.log(p[c]!)) / temperature;
        }, 0),
      );
    const mean = labels.reduce((sum, label, i) => sum - Math.log(softmax(pooled(i))[label]!), 0) / 200;
    expect(mean).toBeCloseTo(nll, 1);
  });

  it('leaves out methods that add nothing', () => {
    const same = expert('a', 0.7);
    expect(
      Object.keys(
        stackMethods(
          new Map([
            ['a', same],
            ['copy', same],
          ]),
          labels,
        ).parts,
      ),
    ).toEqual(['a']);
  });

  it('of one part has that part’s probabilities, from a state of its own names', async () => {
    const stack = methodById('stack');
    const parts = { anchored: { options: { strength: 0.3 }, sharpness: 1, share: 1 } };
    const state = await stack.fit(smallTask, resolveOptions(stack.options, { parts }));
    expect(Object.keys(state).toSorted()).toEqual([
      'anchored.residual',
      'anchored.share',
      'anchored.sharpness',
    ]);
    const stacked = scoreRows(stack, state, smallTask, smallQueries);
    const anchored = methodById('anchored');
    const alone = scoreRows(
      anchored,
      await anchored.fit(smallTask, { strength: 0.3 }),
      smallTask,
      smallQueries,
    );
    for (let i = 0; i < 5; i++) {
      softmax(row(stacked, i)).forEach((p, c) => {
        expect(p).toBeCloseTo(softmax(row(alone, i))[c]!, 4);
      });
    }
  });
});

describe('auto', () => {
  it('compares what it takes with Tip-Adapter and zero-shot, on the same left-out examples', async () => {
    const { choice, method, options } = await chooseAutomatically(engine, smallTask, RANGE, { tuningSet });
    const compared = choice.compared ?? [];
    expect(compared[0]!.method).toBe(method);
    expect(compared.map((each) => each.method)).toEqual(expect.arrayContaining(['tip-adapter', 'zero-shot']));
    expect(compared[0]!.nll).toBeLessThanOrEqual(Math.min(...compared.map(({ nll }) => nll)) + 0.1);
    expect(resolveOptions(methodById(method).options, options)).toBeTruthy();
    expect(choice).toMatchObject({ protocol: 'folds', folds: 4, judges: 48 });
  });

  it('takes the whitened cosine by rule at one and two shots, and pools it with the others where there are names', async () => {
    const some = (shots: number, head = smallTask.head): Task => {
      const seen = new Int32Array(6);
      const { labels } = smallTask.support;
      const kept = [...labels.keys()].filter((i) => seen[labels[i]!]!++ < shots);
      return { ...smallTask, head, support: selectExamples(smallTask.support, kept) };
    };
    const choose = (task: Task, trainingFree = false) =>
      chooseAutomatically(engine, task, RANGE, { tuningSet: tuningSetOfFolds(task), trainingFree });
    const one = await choose(some(1));
    const half = { options: {}, share: 0.5 };
    expect(one).toMatchObject({
      method: 'stack',
      options: { parts: { whitened: { share: 0.5, sharpness: 1 }, anchored: half } },
      choice: { temperature: 1, protocol: 'fixed', judges: 0 },
    });
    expect(await choose(some(1), true)).toMatchObject({ method: 'whitened' });
    const two = await choose(some(2));
    expect(two).toMatchObject({ method: 'stack', choice: { protocol: 'folds', judges: 12, folds: 2 } });
    const parts = Object.values(two.options.parts as Record<string, StackPart>);
    expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(two.choice.compared?.slice(0, 2).map(({ method }) => method)).toEqual(['stack', 'whitened']);
    expect(two.choice.compared?.map(({ method }) => method)).toContain('zero-shot');
    const nameless = { ...some(2), head: undefined };
    expect(await choose(nameless)).toMatchObject({ method: 'whitened', options: {} });
    // Five classes have one example, and one has two: too little to choose by.
    const { labels } = smallTask.support;
    const firsts = [0, 1, 2, 3, 4, 5].map((label) => labels.indexOf(label));
    const uneven = {
      ...smallTask,
      support: selectExamples(smallTask.support, [...firsts, labels.lastIndexOf(0)]),
    };
    expect(await choose(uneven)).toMatchObject({ choice: { judges: 0 } });
  });

  it('says how far it is, from nothing to nearly all', async () => {
    const shares: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => void shares.push(done / total);
    await chooseAutomatically(engine, { ...smallTask, onProgress }, RANGE, { tuningSet });
    expect(shares[0]).toBe(0);
    expect(shares).toEqual(shares.toSorted((x, y) => x - y));
    expect(shares.at(-1)).toBeGreaterThan(0.7);
    expect(shares.at(-1)).toBeLessThan(1);
  });

  it('keeps to closed forms where asked to, and to a rule without tuning rows', async () => {
    const free = await chooseAutomatically(engine, smallTask, RANGE, { tuningSet, trainingFree: true });
    expect(JSON.stringify(free)).not.toContain('anchored');
    const rule = await chooseAutomatically(engine, smallTask, RANGE);
    expect(rule).toMatchObject({ method: 'whitened', choice: { protocol: 'fixed', judges: 0 } });
  });
});
