import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { rowsOf } from '../bench/dump.fixture.ts';
import { type FitOptions, fit } from '../classifier/index.ts';
import { ownFolder } from '../dataset/folder.fixture.ts';
import { floatColumn, parquetBytes } from '../dataset/parquet-writer.ts';
import { matrix } from '../math/matrix.ts';
import { localQueue } from './local-queue.ts';
import { openWork } from './open-work.ts';
import { withOwnWorker } from './own-worker.fixture.ts';
import { REDIS_SKIP, redisProgram } from './redis-server.fixture.ts';
import { decodeShardSums, encodeShardSums } from './summary-file.ts';
import { sumRowsOn } from './summary-work.ts';
import type { Queue, Shard, Work } from './work.ts';

const own = ownFolder();
const CLASSES = ['cat', 'dog', 'eel'];
const FILES = 5;
const LABELS = Array.from({ length: 300 }, (_, i) => (7 * i) % 3);
const rows = rowsOf(LABELS, 'sums');
const queries = rowsOf([0, 1, 2, 0, 1, 2], 'queries');

/** A folder of features in several files, each a shard. */
beforeEach(async () => {
  await own.write(['features/info.json', JSON.stringify({ classes: CLASSES })]);
  for (let at = 0; at < FILES; at++) await writeFeatures(at);
});

const EACH = LABELS.length / FILES;

/** Writes file `at` with the rows from `first` on. */
async function writeFeatures(at: number, split = 'train', first = at * EACH, n = EACH): Promise<void> {
  const part = matrix(n, 8, rows.data.slice(first * 8, (first + n) * 8));
  const text = (name: string, values: string[]) => ({ name, type: 'text', values }) as const;
  const labels = LABELS.slice(first, first + n);
  const columns = [
    text(
      'class',
      labels.map((c) => CLASSES[c]!),
    ),
    text('split', new Array<string>(n).fill(split)),
    floatColumn('features', part, 'float32', false),
  ];
  const bytes = await parquetBytes(columns, { dtype: 'float32', dimension: '8' });
  await own.write([`features/${at}.parquet`, bytes]);
}

const features = () => join(own.root, 'features');
const output = () => join(own.root, 'sums');
const sumsBy = (queue: Queue) => sumRowsOn(queue, output(), { shardBytes: 1 });

async function scoresBy(given: FitOptions): Promise<Float32Array> {
  const classifier = await fit(features(), { ...given, tune: 'fixed', summary: true });
  const { data } = await classifier.scores(queries);
  await classifier.close();
  return data;
}

/** The largest difference of the scores by a queue and by one process, as a share of the largest score. */
async function difference(queue: Queue, given: FitOptions = {}): Promise<number> {
  const [by, alone] = [await scoresBy({ ...given, sumRows: sumsBy(queue) }), await scoresBy(given)];
  const largest = alone.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return by.reduce((most, x, i) => Math.max(most, Math.abs(x - alone[i]!)), 0) / largest;
}

/** A queue that does what the local one does, with `change` in between. */
function queueWith(change: (work: Work, shard: Shard, at: number) => Promise<void>): Queue {
  return {
    async run(work) {
      let at = 0;
      for await (const shard of work.shards()) await change(work, shard, at++);
    },
  };
}

describe('a summary whose parts are shards', () => {
  it.each(['prototype', 'gda', 'ridge'])(
    'by %s gives the classifier of one process, and what is done is not done again',
    async (method) => {
      expect(await difference(localQueue, { method })).toBeLessThan(1e-6);
      const files = (await readdir(output())).sort();
      expect(files).toHaveLength(FILES);
      const done: number[] = [];
      const counting: Queue = {
        run: (work, options) =>
          localQueue.run(work, { ...options, onProgress: ({ kept }) => done.push(kept) }),
      };
      await rm(join(output(), files[2]!));
      expect(await difference(counting, { method })).toBeLessThan(1e-6);
      expect(done.at(-1)).toBe(FILES - 1);
      expect((await readdir(output())).sort()).toEqual(files);
    },
  );

  it('gives the same in any order, and if a shard is done twice', async () => {
    const backwards: Queue = {
      async run(work) {
        const shards: Shard[] = [];
        for await (const shard of work.shards()) shards.push(shard);
        for (const shard of [...shards.reverse(), shards[1]!]) await work.run(shard);
      },
    };
    expect(await difference(backwards)).toBeLessThan(1e-6);
  });

  it('fails if features change while they are read, and continues with the new ones', async () => {
    const touched = queueWith(async (work, shard, at) => {
      if (at === 3) await utimes(join(features(), '3.parquet'), 1, 1);
      await work.run(shard);
    });
    await expect(difference(touched)).rejects.toMatchObject({ code: 'scale/changed' });
    expect(await difference(localQueue)).toBeLessThan(1e-6);
  });

  it('is made anew for files whose rows have other places, because these decide which rows are left out', async () => {
    await difference(localQueue);
    await writeFeatures(0, 'train', 0, EACH + 7);
    await writeFeatures(4, 'train', 4 * EACH, EACH - 7);
    expect(await difference(localQueue)).toBeLessThan(1e-6);
  });

  it('refuses sums whose left-out rows have labels that are no classes', async () => {
    await difference(localQueue);
    const [name] = await readdir(output());
    const path = join(output(), name!);
    const sums = decodeShardSums(new Uint8Array(await readFile(path)), path, { dimension: 8, classes: 3 });
    sums.left.labels[0] = 3;
    await writeFile(path, encodeShardSums(sums));
    await expect(difference(localQueue)).rejects.toMatchObject({ code: 'summary/file' });
  });

  it('says that a folder without rows has none', async () => {
    await rm(features(), { recursive: true });
    await own.write(['features/info.json', JSON.stringify({ classes: CLASSES })]);
    await writeFeatures(0, 'train', 0, 0);
    await expect(difference(localQueue)).rejects.toMatchObject({ code: 'dump/no-support' });
  });

  it('is refused on a machine with other features, for mixed splits, a damaged file and several readings', async () => {
    const elsewhere = queueWith(async (work) => {
      const description = { ...work.description, seed: 2 };
      await expect(openWork(description)).rejects.toMatchObject({ code: 'scale/other-data' });
      throw new Error('seen');
    });
    await expect(difference(elsewhere)).rejects.toThrow('seen');
    await expect(difference(localQueue, { method: 'tip-adapter-sketch' })).rejects.toMatchObject({
      code: 'fit/several-readings',
    });
    await difference(localQueue);
    const [name] = await readdir(output());
    await writeFile(join(output(), name!), new Uint8Array(3));
    await expect(difference(localQueue)).rejects.toMatchObject({
      code: 'summary/file',
      message: expect.stringContaining(name!),
    });
    await rm(output(), { recursive: true });
    await writeFeatures(4, '');
    // Each worker sees one kind of split only.
    const apart = queueWith(async (work, shard) => {
      const own = await openWork(work.description);
      await own.run(shard);
    });
    await expect(difference(apart)).rejects.toMatchObject({ code: 'dump/splits' });
  });

  it.skipIf(!redisProgram)(`is done by a worker on Redis${REDIS_SKIP}`, () =>
    withOwnWorker(async (queue, worker) => {
      expect(await difference(queue)).toBeLessThan(1e-6);
      expect(worker.counts).toMatchObject({ shards: FILES, rows: LABELS.length, pictures: 0, failed: 0 });
    }),
  );
});
