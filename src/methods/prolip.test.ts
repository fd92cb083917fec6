import { afterAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { createEngine } from '../engine/node.ts';
import { fromRows, matrixOf } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { resolveOptions } from '../options.ts';
import { expectClose, goldenNumbers } from './golden.fixture.ts';
import { checkNeeds } from './needs.ts';
import { PROJECTED_SCALE } from './projection.ts';
import { proLip } from './prolip.ts';
import { scoreRows } from './score.ts';
import { plainSupport } from './task.ts';
import { headFromPrompts } from './text-head.ts';

const golden = goldenNumbers('prolip/prolip');
const engine = createEngine({ threads: 1 });
afterAll(() => engine.close());

const unit = (values: number[]) => values.map((x) => x / Math.hypot(...values));
const times = (x: number[], p: number[][]) =>
  p[0]!.map((_, j) => x.reduce((sum, value, i) => sum + value * p[i]![j]!, 0));

/** The golden problem as a task. The projection of `resnet` has a bias, and its features end with a 1. */
function problem(kind: 'vit' | 'resnet') {
  const bias: 0 | 1 = kind === 'resnet' ? 1 : 0;
  const start: number[][] = bias ? [...golden.start, golden.bias] : golden.start;
  const features = (rows: number[][]) => rows.map((values) => (bias ? [...values, 1] : values));
  const rowsOf = (rows: number[][]) =>
    fromRows(
      features(rows).map((x) => [...unit(times(x, start)), ...unit(x)].map((value) => value * Math.SQRT1_2)),
    );
  const text = fromRows(golden.text.map((values: number[]) => [...values, ...Array(start.length).fill(0)]));
  return {
    task: {
      classes: 3,
      dimension: text.cols,
      support: plainSupport(rowsOf(golden.features), golden.labels),
      head: headFromPrompts(text, Int32Array.of(0, 1, 2), 3, golden.scale * PROJECTED_SCALE),
      projection: { weight: fromRows(start), bias },
      seed: 1,
    },
    queries: rowsOf(golden.queries),
    start,
    /** Scores by the encoder's own embeddings. */
    zeroShot: features(golden.queries).map((x) =>
      golden.text.map((name: number[]) => {
        const cosine = unit(times(x, start)).reduce((sum, value, j) => sum + value * name[j]!, 0);
        return golden.scale * cosine;
      }),
    ),
    learnt: golden[kind],
  };
}

describe.each([
  ['interpreter', interpreterEngine()],
  ['node', engine],
] as const)('ProLIP on the %s engine', (_, runs) => {
  it.each(['vit', 'resnet'] as const)('follows PyTorch for the projection of a %s', async (kind) => {
    const { task, queries, learnt } = problem(kind);
    const losses: number[] = [];
    const onProgress = ({ loss }: { loss?: number }) => void losses.push(loss!);
    const options = resolveOptions(proLip.options, { epochs: 5 });
    const state = await proLip.fit({ ...task, engine: runs, onProgress }, options);
    expectClose(fromRows([losses]), fromRows([learnt.losses]), 1e-5);
    const bias = kind === 'resnet' ? [golden.bias] : [];
    expectClose(matrixOf(state.projection), fromRows([...learnt.projection, ...bias]), 1e-5);
    expectClose(scoreRows(proLip, state, task, queries), fromRows(learnt.query_scores), 1e-5 * golden.scale);
  });
});

it.each(['vit', 'resnet'] as const)("has the encoder's scores before it learns, for a %s", (kind) => {
  const { task, queries, start, zeroShot } = problem(kind);
  const projection = floatTensor([start.length, 5], fromRows(start).data);
  const scored = (factor: number) => {
    const rows = { ...queries, data: queries.data.map((x) => factor * x) };
    return scoreRows(proLip, { projection, embedding: 5, epochs: 0 }, task, rows);
  };
  expectClose(scored(1), fromRows(zeroShot), 1e-5 * golden.scale);
  expectClose(scored(7), fromRows(zeroShot), 1e-5 * golden.scale);
});

it('refuses rows without the features, and a projection of another size', () => {
  const { task, queries } = problem('vit');
  const { projection: _, ...plain } = task;
  expect(() => checkNeeds(proLip, plain)).toThrow('ProLIP needs the features before the last projection');
  for (const shape of [
    [6, 5],
    [5, 7],
  ]) {
    const wrong = { projection: floatTensor(shape, new Float32Array(shape[0]! * shape[1]!)), embedding: 5 };
    expect(() => scoreRows(proLip, { ...wrong, epochs: 1 }, task, queries)).toThrow('instead of [7, 5]');
  }
});
