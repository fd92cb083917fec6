import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../store/open-store.ts';
import { openBullQueue } from './bull-queue.ts';
import { type Jobs, openJobs } from './jobs.ts';
import { localQueue } from './local-queue.ts';
import { REDIS_SKIP, RedisServer, redisProgram } from './redis-server.fixture.ts';
import { runWork } from './run-work.ts';
import { openWaitingWork, type Waiting, waiting, writeSource } from './waiting-work.fixture.ts';
import type { Queue, RunProgress, Work } from './work.ts';
import { startWorkerProcess, type WorkerProcess } from './workers.fixture.ts';

const SHARDS = 40;

describe.skipIf(!redisProgram)(`workers on Redis${REDIS_SKIP}`, { timeout: 60_000 }, () => {
  let folder: string;
  let redis: RedisServer;
  let queue: Queue & AsyncDisposable;
  let jobs: Jobs & AsyncDisposable;
  const workers = new Set<WorkerProcess>();
  let targets = 0;

  function start(options: object = {}): WorkerProcess {
    const worker = startWorkerProcess(redis.address, options);
    workers.add(worker);
    void worker.ended.then(() => workers.delete(worker));
    return worker;
  }
  const open = (given: Partial<Waiting> = {}): Promise<Work> =>
    openWaitingWork(
      waiting({
        source: join(folder, 'source'),
        target: join(folder, `target-${targets++}`),
        shards: SHARDS,
        ...given,
      }),
    );
  /** All objects of a target with their content. */
  async function contents(work: Work): Promise<Record<string, string>> {
    const store = openStore(String(work.description.target));
    const all: Record<string, string> = {};
    for await (const { key } of store.list()) all[key] = Buffer.from(await store.read(key)).toString();
    return all;
  }
  /** The result of one process for the same shards. */
  async function alone(given: Partial<Waiting> = {}): Promise<Record<string, string>> {
    const work = await open(given);
    await localQueue.run(work);
    await work.finish();
    return contents(work);
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tip-adapter-queue-'));
    redis = await RedisServer.start();
    await writeSource(join(folder, 'source'), SHARDS);
    const first = [start(), start()];
    queue = await openBullQueue(redis.address);
    jobs = await openJobs(redis.address);
    await Promise.all(first.map(({ ready }) => ready));
  });
  afterAll(async () => {
    for (const { child } of workers) child.kill('SIGKILL');
    await queue[Symbol.asyncDispose]();
    await jobs[Symbol.asyncDispose]();
    await redis.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('do every shard once, as one process does, and a finished run is known from the store', async () => {
    const work = await open();
    const told: RunProgress[] = [];
    await runWork(work, queue, { onProgress: (progress) => told.push(progress) });
    expect(await contents(work)).toEqual(await alone());
    const pictures = 10 * SHARDS;
    expect(told.at(-1)).toEqual({ shards: SHARDS, kept: 0, pictures, total: pictures, failures: 14 });
    expect(await jobs.list()).toMatchObject([
      { state: 'done', done: SHARDS, pending: 0, pictures, failures: 14 },
    ]);
    told.length = 0;
    await queue.run(work, { onProgress: (progress) => told.push(progress) });
    expect(told).toEqual([{ shards: SHARDS, kept: SHARDS, pictures, total: pictures, failures: 0 }]);
    // The result is not made again yet.
    const kept = { done: SHARDS, kept: SHARDS, pending: 0, pictures, failures: 0 };
    expect(await jobs.list()).toMatchObject([{ state: 'running', ...kept }]);
  });

  it('do every shard once through deaths, a slow worker, two producers, and a Redis that stops or forgets', async () => {
    const work = await open({ ms: 60 });
    const run = queue.run(work);
    const other = await openBullQueue(redis.address);
    const second = other.run(await openWaitingWork(work.description as Waiting));
    const [slow, dying] = [...workers] as [WorkerProcess, WorkerProcess];
    await sleep(300);
    // A worker that is cut off loses its shard to another one, and finishes it late.
    slow.child.kill('SIGSTOP');
    dying.child.kill('SIGKILL');
    await dying.ended;
    const next = start();
    await next.ready;
    await redis.stop();
    await sleep(200);
    await redis.start();
    await sleep(500);
    slow.child.kill('SIGCONT');
    next.child.kill('SIGKILL');
    start();
    const { Redis } = await import('ioredis');
    const client = new Redis(redis.address);
    await client.flushall();
    client.disconnect();
    await Promise.all([run, second]);
    await work.finish();
    expect(await contents(work)).toEqual(await alone());
    await other[Symbol.asyncDispose]();
  });

  it('do not get addresses with a query', async () => {
    const work = await open({ source: 'https://host/list.txt?token=secret' });
    const check = () => queue.check!(work);
    expect(check).toThrow(expect.objectContaining({ code: 'queue/signed-address' }));
    expect(check).not.toThrow(/secret/);
  });

  it('set aside a shard that fails or kills three times, and all others are done', async () => {
    const work = await open({ shards: 9, deadly: [2], deadlier: [4], failing: [6] });
    // A worker that dies is started again, as by a service manager.
    let tending = true;
    const tend = async () => {
      while (tending) {
        while (workers.size < 2) start();
        await sleep(50);
      }
    };
    void tend();
    const failure = await queue.run(work).catch((error) => error);
    tending = false;
    expect(failure).toMatchObject({ code: 'queue/set-aside', exitCode: 3 });
    expect(failure.message).toMatch(/^3 shards of 9 failed and are left out: /);
    const reasons: Record<string, string> = {};
    for (const { name, reason } of failure.details.shards) reasons[name] = reason;
    expect(reasons).toEqual({
      '2/first to 2/last': 'The process that did the shard ended (SIGKILL)',
      '4/first to 4/last': 'its worker died or was cut off 3 times',
      '6/first to 6/last': 'No space is left',
    });
    expect(Object.keys(await contents(work))).toHaveLength(6);
    const [shown] = await jobs.list();
    expect(shown).toMatchObject({ state: 'set aside', done: 6, pending: 3 });
    expect(shown!.setAside.map(({ name, reason }) => [name, reason]).sort()).toEqual(
      Object.entries(reasons).sort(),
    );
  });
});
