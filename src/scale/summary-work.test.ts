import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { npy, rowsOf } from '../bench/dump.fixture.ts';
import { type FitOptions, fit } from '../classifier/index.ts';
import { ownFolder } from '../dataset/folder.fixture.ts';
import { floatColumn, parquetBytes } from '../dataset/parquet-writer.ts';
import { matrix } from '../math/matrix.ts';
import { encodeSealed } from '../store/content-hash.ts';
import { encodeSafetensors, parseSafetensors } from '../store/safetensors.ts';
import { localQueue } from './local-queue.ts';
import { openWork } from './open-work.ts';
import { withOwnWorker } from './own-worker.fixture.ts';
import { REDIS_SKIP, redisProgram } from './redis-server.fixture.ts';
import { decodeShardSums } from './summary-file.ts';
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

/** The classes' names as features, which some methods need. */
const writeNames = () =>
  own.write([
    'features/text.npy',
    npy(
      matrix(
        3,
        8,
        Float32Array.from({ length: 24 }, (_, at) => Number(at % 8 === Math.floor(at / 8))),
      ),
    ),
  ]);

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

const EXPECTED = { dimension: 8, classes: 3, rows: LABELS.length };

function damagedSums(whole: Uint8Array, what: string): Uint8Array {
  const bytes = whole.slice();
  const { tensors, metadata } = parseSafetensors(bytes);
  const { sha256: _, ...facts } = metadata;
  if (what === 'no checksum') return encodeSafetensors(tensors, facts);
  if (what === 'an end that is missing') return bytes.subarray(0, -1);
  if (what === 'another sum') {
    tensors.get('summary.sums.totals')!.data[0] = 5;
    return encodeSafetensors(tensors, metadata);
  }
  if (what === 'too many rows') tensors.get('summary.sums.counts')!.data[0] = LABELS.length + 1;
  else {
    tensors.set('left.labels', { dtype: 'int32', shape: [1], data: Int32Array.of(3) });
    tensors.set('left.rows', { dtype: 'float32', shape: [1, 8], data: new Float32Array(8) });
  }
  return encodeSealed(Object.fromEntries(tensors), facts);
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

  it.each([
    { method: 'tip-adapter-sketch', options: { landmarks: 4 }, beta: 2, passes: ['', 'votes'] },
    { method: 'linear-probe', options: { c: 3 }, passes: ['', 'losses'] },
    { method: 'proker-random-features', options: { frequencies: 32 }, passes: [''] },
  ])('by $method, with what its rows are compared with', async ({ passes, ...given }) => {
    await writeNames();
    const seen = new Set<string>();
    const elsewhere = queueWith(async (work, shard) => {
      seen.add(String(work.description.pass ?? ''));
      // A worker finds the basis in the output.
      const own = await openWork(work.description);
      await own.run(shard);
    });
    // Both fits of a linear probe end where less than 1e-7 nats can be gained.
    expect(await difference(elsewhere, given)).toBeLessThan(given.method === 'linear-probe' ? 1e-3 : 1e-6);
    expect([...seen]).toEqual(passes);
  });

  it('measures the error of a sketch whose rows workers read, and keeps it', async () => {
    await writeNames();
    const given = {
      method: 'tip-adapter-sketch',
      options: { landmarks: 8 },
      beta: 2,
      summary: true,
    } as const;
    const [by, alone] = [
      await fit(features(), { ...given, sumRows: sumsBy(localQueue) }),
      await fit(features(), given),
    ];
    const { error, agreement, judges } = by.data.state as Record<string, number>;
    expect(judges).toBeGreaterThan(30);
    expect(error).toBeCloseTo(alone.data.state.error as number, 6);
    expect(agreement).toBe(alone.data.state.agreement);
    for (const one of [by, alone]) await one.close();
    const sharp = fit(features(), { ...given, beta: 20, sumRows: sumsBy(localQueue) });
    await expect(sharp).rejects.toMatchObject({ code: 'method/summary-option' });
  });

  it('refuses a file of centres that was changed, and the same command writes it anew', async () => {
    await writeNames();
    const given = { method: 'tip-adapter-sketch', options: { landmarks: 4 }, beta: 2 };
    const damaging = queueWith(async (work) => {
      const path = join(output(), 'basis', `${work.description.basis}.safetensors`);
      const bytes = new Uint8Array(await readFile(path));
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(path, bytes);
      await openWork(work.description);
    });
    await expect(difference(damaging, given)).rejects.toMatchObject({ code: 'scale/basis' });
    expect(await difference(localQueue, given)).toBeLessThan(1e-6);
  });

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

  it.each([
    'another sum',
    'an end that is missing',
    'no checksum',
    'a label that is no class',
    'too many rows',
  ])('makes sums again whose file has %s, and says so', async (what) => {
    const exact = await scoresBy({ sumRows: sumsBy(localQueue) });
    const [name] = await readdir(output());
    const path = join(output(), name!);
    const whole = new Uint8Array(await readFile(path));
    await writeFile(path, damagedSums(whole, what));
    const classifier = await fit(features(), {
      ...{ tune: 'fixed', summary: true, sumRows: sumsBy(localQueue) },
    });
    expect((await classifier.scores(queries)).data).toEqual(exact);
    expect(classifier.findings.filter(({ code }) => code === 'fit/sums')).toMatchObject([
      { level: 'warning', paths: [path], message: expect.stringContaining(name!) },
    ]);
    await classifier.close();
    expect(new Uint8Array(await readFile(path))).toEqual(whole);
  });

  it('takes no file in which a bit is flipped: of the header, the sums or the left-out rows', async () => {
    await scoresBy({ sumRows: sumsBy(localQueue) });
    const paths = (await readdir(output())).map((name) => join(output(), name));
    const all = await Promise.all(paths.map(async (path) => new Uint8Array(await readFile(path))));
    const bytes = all.find((file) => decodeShardSums(file, '', EXPECTED)!.left.labels.length > 0)!;
    for (let at = 0; at < bytes.length; at++) {
      bytes[at]! ^= 1 << (at % 8);
      expect(decodeShardSums(bytes, '', EXPECTED), `byte ${at}`).toBeUndefined();
      bytes[at]! ^= 1 << (at % 8);
    }
  });

  it('does a shard again by a worker that finds its file damaged', async () => {
    await difference(localQueue);
    const broken = queueWith(async (work, shard) => {
      const path = join(output(), work.resultKey(shard));
      await writeFile(path, new Uint8Array(3));
      await work.run(shard);
      expect(decodeShardSums(new Uint8Array(await readFile(path)), path, EXPECTED)).toBeDefined();
    });
    expect(await difference(broken)).toBeLessThan(1e-6);
  });

  it('says that a folder without rows has none', async () => {
    await rm(features(), { recursive: true });
    await own.write(['features/info.json', JSON.stringify({ classes: CLASSES })]);
    await writeFeatures(0, 'train', 0, 0);
    await expect(difference(localQueue)).rejects.toMatchObject({ code: 'dump/no-support' });
  });

  it('is refused on a machine with other features, and for mixed splits', async () => {
    const elsewhere = queueWith(async (work) => {
      const description = { ...work.description, seed: 2 };
      await expect(openWork(description)).rejects.toMatchObject({ code: 'scale/other-data' });
      throw new Error('seen');
    });
    await expect(difference(elsewhere)).rejects.toThrow('seen');
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
      expect(await difference(queue, { method: 'linear-probe', options: { c: 3 } })).toBeLessThan(1e-3);
      expect(worker.counts).toMatchObject({ pictures: 0, failed: 0 });
      expect(worker.counts.shards).toBeGreaterThan(3 * FILES);
      expect(worker.counts.rows).toBe((worker.counts.shards / FILES) * LABELS.length);
    }),
  );
});
