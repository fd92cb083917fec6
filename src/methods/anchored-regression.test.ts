import { expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import type { Engine } from '../engine/types.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { MANY_SCORES } from '../overlap.ts';
import { regressions } from './anchored-regression.ts';
import type { Task } from './task.ts';

it('has one problem of many scores in the engine at a time, with the solutions of each alone', async () => {
  const classes = 2048;
  const n = MANY_SCORES / classes;
  const draw = random(1);
  const rows: Matrix = matrix(
    n,
    4,
    Float32Array.from({ length: n * 4 }, () => draw.normal()),
  );
  const labels = Int32Array.from({ length: n }, (_, i) => i % classes);
  const engine = createEngine();
  let now = 0;
  let most = 0;
  const counting: Engine = {
    ...engine,
    compile: async (outputs, work) => {
      const session = await engine.compile(outputs, work);
      if (!('loss' in outputs)) return session;
      most = Math.max(most, ++now);
      return { ...session, close: () => session.close().finally(() => now--) };
    },
  };
  const task = { engine: counting, support: { labels }, classes } as unknown as Task;
  const subsets = [0, 1].map((fold) => [...labels.keys()].filter((i) => i % 2 === fold));
  const problem = { rows, penalties: [1, 0.1], tolerance: 0.5 };
  const solved: Float32Array[] = [];
  for await (const both of regressions(task, { ...problem, subsets }))
    solved.push(...both.map(({ data }) => data as Float32Array));
  expect([most, now]).toEqual([1, 0]);
  for (const [k, subset] of subsets.entries()) {
    const alone: Float32Array[] = [];
    for await (const [own] of regressions(task, { ...problem, subsets: [subset] }))
      alone.push(own!.data as Float32Array);
    expect([solved[k], solved[k + 2]]).toEqual(alone);
  }
  await engine.close();
}, 60_000);
