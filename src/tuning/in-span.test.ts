import { describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { matrix, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { listMethods, plainSupport, type Task } from '../methods/index.ts';
import { inSpan } from './in-span.ts';
import { searchMethod, type TuningSet, tuningSetOfFolds } from './search-method.ts';

const CLASSES = 4;
const SHOTS = 4;
const D = 64;

/** A task with overlapping classes and features of different lengths, one of which occurs twice. */
function overlapping(): Task {
  const { normal } = random('span', 1);
  const rows = (count: number) => Array.from({ length: count }, () => Array.from({ length: D }, normal));
  const centres = rows(CLASSES);
  const labels = Array.from({ length: CLASSES * SHOTS }, (_, i) => i % CLASSES);
  const noise = rows(labels.length);
  const data = labels.flatMap((label, i) => centres[label]!.map((x, j) => 20 * (x + 1.5 * noise[i]![j]!)));
  data.copyWithin(D, 5 * D, 6 * D);
  const names = matrix(
    CLASSES,
    D,
    Float32Array.from(centres.flat(), (x) => x + normal()),
  );
  const weights = unitRows(names);
  return {
    classes: CLASSES,
    dimension: D,
    support: plainSupport(matrix(labels.length, D, Float32Array.from(data)), labels),
    head: { weights, promptFeatures: names, promptClass: Int32Array.from([0, 1, 2, 3]), logitScale: 20 },
    seed: 1,
  };
}

const engine = interpreterEngine();
const task = overlapping();
const tuningSet = tuningSetOfFolds(task) as TuningSet;

describe('coordinates of the span', () => {
  it.each(
    listMethods()
      .filter(({ rotates }) => rotates)
      .flatMap((method) => [true, false].map((names) => ({ id: method.id, names, method })))
      .filter(({ names, method }) => names || !method.needs.includes('text')),
  )('do not change the results of $id, names: $names', async ({ method, names }) => {
    const whole = { task: names ? task : { ...task, head: undefined }, tuningSet };
    const small = await inSpan(engine, whole);
    expect(small.task.dimension).toBe(CLASSES * SHOTS + (names ? CLASSES : 0));
    const there = await searchMethod(engine, method, whole.task, whole.tuningSet);
    const here = await searchMethod(engine, method, small.task, small.tuningSet);
    expect(here.nll).toBeCloseTo(there.nll, 3);
    for (const [k, point] of there.surface.entries()) {
      for (const [name, value] of Object.entries(point)) {
        expect(Math.abs(here.surface[k]![name]! / value - 1), name).toBeLessThan(0.02);
      }
    }
  });

  it('are not used if they would not be fewer, or if the tuning rows are not left-out examples', async () => {
    const near = { ...task, dimension: 30 };
    expect(await inSpan(engine, { task: near, tuningSet })).toMatchObject({ task: { dimension: 30 } });
    const other: TuningSet = { ...tuningSet, protocol: 'val' };
    expect((await inSpan(engine, { task, tuningSet: other })).task).toBe(task);
  });
});
