import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npy, npyLabels, rowsOf } from '../bench/dump.fixture.ts';
import { openFeatureBlocks } from '../dataset/feature-blocks.ts';
import { ownFolder } from '../dataset/folder.fixture.ts';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { installedRuntime } from '../engine/onnxruntime.ts';
import type { Engine } from '../engine/types.ts';
import { methodById } from '../methods/list.ts';
import { summaryFormOf } from '../methods/summarise.ts';
import { resolveOptions } from '../options.ts';
import { bytesOfSums, sumParts, sumThreads } from './row-sums.ts';

const own = ownFolder();
/** More than one block. */
const LABELS = Array.from({ length: 140_000 }, (_, i) => (7 * i) % 3);
const method = methodById('gda');

async function sumsOn(
  threads: number,
  {
    bad = -1,
    signal,
    native = async () => installedRuntime()?.native,
  }: { bad?: number; signal?: AbortSignal; native?: Engine['native'] } = {},
) {
  const rows = rowsOf(LABELS, 'sums');
  if (bad >= 0) rows.data.fill(0, 8 * bad, 8 * bad + 8);
  await own.write(
    ['info.json', JSON.stringify({ classes: ['cat', 'dog', 'eel'] })],
    ['train.npy', npy(rows)],
    ['train.labels.npy', npyLabels(LABELS)],
  );
  const stream = await openFeatureBlocks(own.root);
  const options = resolveOptions(method.options, {});
  const form = summaryFormOf(method, options);
  const done: number[] = [];
  const result = await sumParts(
    {
      ...{ form, method: method.id, rows: LABELS.length, seed: 1 },
      what: { task: { classes: 3, dimension: 8 }, options },
    },
    stream.parts,
    {
      engine: { ...interpreterEngine(), threads, native },
      bytesOfThread: 1,
      signal,
      onRows: (n) => done.push(n),
    },
  );
  return { ...result, done };
}

describe('sums of parts', () => {
  it.each([
    { frequencies: 1024, features: 2 ** 33, expected: 16 },
    { frequencies: 1024, features: 2 ** 26, expected: 2 },
    { frequencies: 1024, features: 1, expected: 1 },
    // 8,704 x 8,704 numbers of 8 bytes are more than half of 1 GiB.
    { frequencies: 8192, features: 2 ** 33, expected: 1 },
    { frequencies: 4096, features: 2 ** 33, expected: 6 },
  ])(
    'of $frequencies frequencies and $features bytes of features are made on $expected threads of 16',
    (given) => {
      const { frequencies, features, expected } = given;
      const random = methodById('proker-random-features');
      const options = resolveOptions(random.options, { frequencies });
      const form = summaryFormOf(random, options);
      const sums = bytesOfSums({ form, what: { task: { classes: 10, dimension: 512 }, options } });
      expect(sumThreads(features, sums, { threads: 16 })).toBe(expected);
    },
  );

  it('are those of one thread on several, with the same rows left out', async () => {
    const [one, two] = [await sumsOn(1), await sumsOn(2)];
    for (const [name, { data }] of Object.entries(one.sums.sums)) {
      const other = two.sums.sums[name]!.data;
      const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      data.forEach((x, i) => {
        expect(Math.abs(x - other[i]!) / largest).toBeLessThan(1e-6);
      });
    }
    expect(one.left.labels.length).toBeGreaterThan(1500);
    // Figures are made from some of them, so their order counts too.
    expect(two.left.rows).toEqual(one.left.rows);
    expect(two.left.labels).toEqual(one.left.labels);
    expect(two.done.at(-1)).toBe(LABELS.length);
  });

  it('are computed by the build that the engine chose, and the engine learns that it does not load', async () => {
    const told: unknown[] = [];
    const native = async (error?: unknown) => {
      told.push(error);
      return join(own.root, 'no build');
    };
    const { sums } = await sumsOn(2, { native });
    expect(sums.sums).toHaveProperty('squares');
    const refusal = expect.objectContaining({ message: expect.stringContaining('no build') });
    // Each of the two threads tells it once.
    expect(told).toEqual([undefined, refusal, refusal]);
  });

  it('name a row that cannot be used, and end when they are stopped', async () => {
    await expect(sumsOn(2, { bad: 139_000 })).rejects.toMatchObject({
      code: 'dump/zero-row',
      message: `${join(own.root, 'train.npy')}: row 139000 is all zeros`,
    });
    const stopped = AbortSignal.abort();
    await expect(sumsOn(2, { signal: stopped })).rejects.toMatchObject({ name: 'InterruptedError' });
  });
});
