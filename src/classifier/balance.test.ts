import { describe, expect, it } from 'vitest';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { argmax, fromRows, type Matrix, row } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { logPriors } from '../methods/class-balance.ts';
import { methodById } from '../methods/index.ts';
import { createScorer } from '../methods/score.ts';
import { plainSupport, type Task } from '../methods/task.ts';
import { type Fitted, fitWanted } from './model-selection.ts';

const DIMENSION = 6;
const CLASSES = 3;

/** Overlapping clouds of points, `counts[c]` of class c. */
function points(seed: number, counts: readonly number[]): { features: Matrix; labels: number[] } {
  const draw = random('points', seed);
  const labels = counts.flatMap((n, c) => Array<number>(n).fill(c));
  const rows = labels.map((label) =>
    Array.from({ length: DIMENSION }, (_, j) => (j === label ? 0.8 : 0) + 1.6 * (draw.uniform() - 0.5)),
  );
  return { features: fromRows(rows), labels };
}

async function fitted(counts: readonly number[], balance: boolean, method = 'tip-adapter') {
  const { features, labels } = points(1, counts);
  const support = plainSupport(features, labels);
  const engine = sharedEngine();
  const task: Task & { engine: typeof engine } = {
    classes: CLASSES,
    dimension: DIMENSION,
    support,
    seed: 1,
    engine,
  };
  const defaults = { alpha: 1, beta: 5.5, maxBeta: 20, template: '{}' };
  return { task, result: await fitWanted(engine, task, { method, tune: 'folds', balance }, { defaults }) };
}

/** The scores over the temperature, [m, c]. */
async function logits(task: Task, { method, state, choice }: Fitted, queries: Matrix): Promise<number[][]> {
  const scorer = await createScorer(sharedEngine(), methodById(method), state, task);
  const scores = await scorer.scores(queries).finally(() => scorer.close());
  return Array.from({ length: scores.rows }, (_, i) =>
    [...row(scores, i)].map((x) => x / choice.temperature),
  );
}

describe('balance', () => {
  it.each(['visual-only', 'prototype', 'linear-probe'])(
    'of %s adds the weighted rarity of each class to its scores, and finds rare classes more often',
    async (method) => {
      const counts = [40, 10, 3];
      const { task, result: plain } = await fitted(counts, false, method);
      const { result } = await fitted(counts, true, method);
      const { features, labels } = points(2, [60, 60, 60]);
      const [before, after] = [await logits(task, plain, features), await logits(task, result, features)];
      const priors = logPriors(task.support.labels, CLASSES);
      const weights = after.flatMap((own, i) =>
        [1, 2].map((c) => {
          const change = own[c]! - own[0]! - (before[i]![c]! - before[i]![0]!);
          return change / (priors[0]! - priors[c]!);
        }),
      );
      for (const weight of weights) expect(weight).toBeCloseTo(weights[0]!, 2);
      const rare = (all: number[][]) =>
        all.filter((own, i) => labels[i] === 2 && argmax(Float32Array.from(own)) === 2).length;
      expect(rare(after)).toBeGreaterThanOrEqual(rare(before));
    },
  );

  it('changes nothing where all classes have as many examples', async () => {
    const { result: plain } = await fitted([8, 8, 8], false, 'prototype');
    expect((await fitted([8, 8, 8], true, 'prototype')).result.method).toBe(plain.method);
  });
});
