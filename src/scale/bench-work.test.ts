import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { built } from '../../tests/built.ts';
import { npy, npyLabels, rowsOf } from '../bench/dump.fixture.ts';
import type { FinishedTable } from '../bench/run.ts';
import { startFakeHub } from '../store/fake-hub.fixture.ts';
import { openStore } from '../store/open-store.ts';
import { type BenchSettings, openBench, runBench, submitBench } from './bench-work.ts';
import { localQueue } from './local-queue.ts';
import { openWork } from './open-work.ts';
import { withOwnWorker } from './own-worker.fixture.ts';
import { openProcessQueue } from './process-queue.ts';
import { REDIS_SKIP, redisProgram } from './redis-server.fixture.ts';
import { runOf } from './run-record.ts';
import { runWork } from './run-work.ts';
import { openWaitingWork, waiting, writeSource } from './waiting-work.fixture.ts';
import type { Queue, RunProgress } from './work.ts';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tip-adapter-bench-work-'));
  await mkdir(at('data'));
  const classes = ['ant', 'bee', 'cow'];
  const labels = (rows: number) => classes.flatMap((_, c) => new Array<number>(rows).fill(c));
  await writeFile(at('data', 'info.json'), JSON.stringify({ dataset: 'made', model: 'made up', classes }));
  await writeFile(at('data', 'text.npy'), npy(rowsOf(labels(1), 'text')));
  for (const [name, rows] of Object.entries({ train: 6, test: 20 })) {
    await writeFile(at('data', `${name}.npy`), npy(rowsOf(labels(rows), name)));
    await writeFile(at('data', `${name}.labels.npy`), npyLabels(labels(rows)));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const settings = (output: string): BenchSettings => ({
  ...{
    data: [at('data')],
    methods: ['zero-shot', 'prototype', 'coop'],
    shots: [1, 2],
    seeds: [1, 2],
  },
  ...{ protocol: 'folds', rejection: false, encoders: ['auto'], views: 1, reading: {}, output: at(output) },
});

async function bench(output: string, queue: Queue, onProgress?: (progress: RunProgress) => void) {
  const opened = await openBench(settings(output));
  const tables = await runBench(opened, queue, { onProgress });
  await opened.work.close();
  return { tables, fits: opened.fits };
}

/** Tables as text, without what is measured anew each time. */
function textOf(tables: readonly FinishedTable[]): string {
  const measured = ['fitSeconds', 'scoreMilliseconds', 'peakMemory'];
  return JSON.stringify(tables, (name, value) =>
    measured.includes(name) || name === 'plan' ? undefined : value,
  );
}

describe('a benchmark whose fits are shards', () => {
  it('is the same byte for byte by one process and by two, and what is done is not done again', async () => {
    const alone = await bench('alone', localQueue);
    expect(alone.tables[0]!.entries).toHaveLength(4);
    expect(alone.tables[0]!.skipped.map(({ method }) => method)).toEqual(new Array(4).fill('coop'));
    await using queue = openProcessQueue(
      { program: built('src/cli/shard-worker.ts'), settings: { threads: 1, modules: [] } },
      2,
    );
    const told: RunProgress[] = [];
    const both = await bench('both', queue, (progress) => told.push(progress));
    expect(textOf(both.tables)).toBe(textOf(alone.tables));
    expect(told.at(-1)).toMatchObject({ shards: both.fits, kept: 0 });
    expect((await readdir(at('both', 'cells'))).sort()).toEqual((await readdir(at('alone', 'cells'))).sort());
    // Fits without figures are tried again.
    const again: RunProgress[] = [];
    const second = await bench('both', localQueue, (progress) => again.push(progress));
    expect(textOf(second.tables)).toBe(textOf(alone.tables));
    const skipped = alone.tables[0]!.skipped.length;
    expect(again.at(-1)).toMatchObject({ shards: both.fits, kept: both.fits - skipped });
  });

  it('is left to a queue, and collected once every fit has a result', async () => {
    const opened = await openBench(settings('left'));
    const doing = (wanted: (name: string) => boolean): Queue => ({
      async run(work) {
        for await (const shard of work.shards()) if (wanted(shard.name)) await work.run(shard);
      },
    });
    const left = (wanted: (name: string) => boolean) => submitBench(opened, doing(wanted));
    expect(await left((name) => !name.includes('prototype'))).toMatchObject({ left: opened.fits });
    expect(await left(() => true)).toMatchObject({ run: runOf(opened.work), left: 4 });
    expect(await left(() => true)).toBeUndefined();
    expect(textOf(opened.tables())).toBe(textOf((await bench('alone', localQueue)).tables));
    for await (const { key } of openStore(at('left')).list('cells/')) {
      await writeFile(at('left', key), '[{');
      break;
    }
    expect(await left(() => true)).toMatchObject({ left: 1 });
  });

  it('goes on without a data set that the hub does not give', async () => {
    const hub = await startFakeHub({});
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('TIP_ADAPTER_HOME', at('home'));
    const none = 'hf:datasets/zoo/none';
    const opened = await openBench({ ...settings('partial'), data: [at('data'), none] });
    expect(opened).toMatchObject({ missing: [expect.stringMatching(/^none auto: /)], failed: 1 });
    expect(opened.work.description).toMatchObject({ data: [at('data'), none] });
    expect(opened.fits).toBe((await openBench(settings('whole'))).fits);
    vi.unstubAllEnvs();
    await hub.close();
  });

  it('counts fits that are set aside as failed, with the reason', async () => {
    const work = await openWaitingWork(
      waiting({ source: at('source'), target: at('target'), shards: 6, deadly: [2] }),
    );
    await writeSource(at('source'), 6);
    await using queue = openProcessQueue({ program: built('src/scale/waiting-worker.fixture.ts') }, 2);
    const error = await runWork(work, queue).catch((error) => error);
    expect(error.message).toBe(
      '1 shard of 6 failed and is left out: 2/first to 2/last (The process that did the shard ended (SIGKILL))',
    );
    expect((await work.finished()).size).toBe(5);
    let name = '';
    const { tables } = await bench('aside', {
      async run(work) {
        for await (const shard of work.shards()) {
          if (shard.name.includes('prototype')) name ||= shard.name;
          if (shard.name !== name) await work.run(shard);
        }
        error.details.shards = [{ name, reason: 'no memory' }];
        throw error;
      },
    });
    expect(tables[0]!.skipped.filter(({ failed }) => failed)).toMatchObject([
      { method: 'prototype', shots: 1, reason: 'no memory' },
    ]);
  });

  it('is refused on a machine with other data', async () => {
    const { work } = await openBench(settings('other'));
    const other = await openWork({ ...work.description, seeds: [3] });
    const refused = [];
    for await (const shard of work.shards())
      refused.push(
        await other.run(shard).then(
          () => 'done',
          ({ code }) => code,
        ),
      );
    expect(refused).toEqual(expect.arrayContaining(['scale/other-data']));
  });

  it.skipIf(!redisProgram)(`is the same by a worker on Redis${REDIS_SKIP}`, () =>
    withOwnWorker(async (queue, worker) => {
      const { tables, fits } = await bench('redis', queue);
      expect(worker.counts).toMatchObject({ shards: fits, pictures: 0 });
      expect(textOf(tables)).toBe(textOf((await bench('alone', localQueue)).tables));
    }),
  );
});
