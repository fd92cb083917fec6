import { afterAll, expect, it } from 'vitest';
import { createEngine } from '../engine/node.ts';
import { fromRows, matrix, unitRows } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { methodById } from './index.ts';
import { checkNeeds } from './needs.ts';
import { plainSupport } from './task.ts';
import { headFromPrompts } from './text-head.ts';

const EXAMPLES = 200_000;
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const rows = matrix(
  EXAMPLES,
  2,
  Float32Array.from({ length: 2 * EXAMPLES }, (_, at) => (at % 2 === Math.floor(at / 2) % 2 ? 1 : 0.1)),
);
const text = fromRows([
  [1, 0],
  [0.9, 0.2],
  [0, 1],
  [0.2, 0.9],
]);
const task = {
  classes: 2,
  dimension: 2,
  seed: 1,
  support: plainSupport(
    unitRows(rows),
    Int32Array.from({ length: EXAMPLES }, (_, i) => i % 2),
  ),
  head: headFromPrompts(text, Int32Array.of(0, 0, 1, 1), 2, 100),
  engine,
};

it.each(['prototype', 'tip-adapter', 'ape', 'timo', 'gda', 'cross-modal'])(
  '%s learns from 200,000 examples, more than a call has arguments',
  async (id) => {
    const method = methodById(id);
    checkNeeds(method, task);
    const options = resolveOptions(method.options, id === 'cross-modal' ? { steps: 1 } : {});
    const state = await method.fit(task, options);
    expect(Object.keys(state).sort()).toEqual(Object.keys(method.holds(task, options)).sort());
  },
);
