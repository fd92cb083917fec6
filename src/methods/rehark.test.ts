import { afterAll, describe, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { fromRows } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { expectClose, goldenNumbers, smallQueries, smallTask } from './golden.fixture.ts';
import { reHark } from './rehark.ts';
import { createScorer, scoreRows } from './score.ts';

const golden: { options: Record<string, number>; scores: number[][] }[] = goldenNumbers('rehark/rehark');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

describe('ReHARK', () => {
  it.each(golden)('follows numpy with $options', async ({ options: { lam, ...given }, scores }) => {
    const options = resolveOptions(reHark.options, { ...given, lambda: lam });
    const expected = fromRows(scores);
    const scaled = { ...expected, data: expected.data.map((x) => (x * 100) / given.scale!) };
    const plain = scoreRows(reHark, await reHark.fit(smallTask, options), smallTask, smallQueries);
    expectClose(plain, scaled, 1e-3); // 1e-5 of the values, at the logit scale
    const state = await reHark.fit({ ...smallTask, engine }, options);
    const scorer = await createScorer(engine, reHark, state, smallTask);
    expectClose(await scorer.scores(smallQueries), scaled, 1e-3);
    await scorer.close();
  });

  it('is zero-shot of the raised features where nothing is left to smooth', async () => {
    const state = await reHark.fit(
      smallTask,
      resolveOptions(reHark.options, { lambda: 1e9, refine: 0, power: 1 }),
    );
    const { text, method } = await termsOf(state);
    expect(Math.max(...method!.data.map(Math.abs))).toBeLessThan(1e-4);
    expect(text!.rows).toBe(smallQueries.rows);
  });
});

async function termsOf(state: Awaited<ReturnType<typeof reHark.fit>>) {
  const scorer = await createScorer(engine, reHark, state, smallTask);
  return scorer.terms(smallQueries).finally(() => scorer.close());
}
