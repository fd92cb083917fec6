import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { built } from '../../tests/built.ts';
import { ModelError } from '../errors.ts';
import { startFaultyProxy } from '../store/faulty-proxy.fixture.ts';
import { openStore } from '../store/open-store.ts';
import { freePort, S3_SKIP, s3Program, startS3 } from '../store/s3-server.fixture.ts';
import { openBullQueue } from './bull-queue.ts';
import { openJobs } from './jobs.ts';
import { localQueue } from './local-queue.ts';
import { connectRedis, parseRedisAddress } from './redis.ts';
import { REDIS_SKIP, RedisServer, redisProgram } from './redis-server.fixture.ts';
import { addPending, countDone, runOf, startRun } from './run-record.ts';
import { runWork } from './run-work.ts';
import { ShardProcess } from './shard-process.ts';
import { openWaitingWork, type Waiting, waiting, writeSource } from './waiting-work.fixture.ts';
import type { Work } from './work.ts';
import { type RunningWorker, startWorker, type WorkerEvent, type WorkerOptions } from './worker.ts';

const own = () => new ShardProcess({ program });
const program = built('src/scale/waiting-worker.fixture.ts');
const SECRET = 'a-secret-of-redis';
/** The rights that docs/scale.md lists. */
const RIGHTS =
  '~tip:* &* -@all +@read +@write +@blocking +@connection +@transaction +@scripting +info +client'.split(' ');

describe('the address of Redis', () => {
  it('has host, port, database and TLS', () => {
    expect(parseRedisAddress('redis://host')).toEqual({ host: 'host', port: 6379, db: 0 });
    expect(parseRedisAddress('rediss://[::1]:7000/3')).toEqual({ host: '::1', port: 7000, db: 3, tls: {} });
  });

  it.each([
    'redis://user:secret@host',
    'redis://:secret@host',
    'redis://host?password=secret',
    'host:6379',
    'http://host',
    'redis://host/a',
  ])('%s is refused without its secret', (address) => {
    const parse = () => parseRedisAddress(address);
    expect(parse).toThrow(expect.objectContaining({ code: 'queue/address' }));
    expect(parse).not.toThrow(/secret/);
  });
});

describe.skipIf(!redisProgram)(`a worker${REDIS_SKIP}`, { timeout: 60_000 }, () => {
  let folder: string;
  let redis: RedisServer;
  let client: Redis;
  let targets = 0;
  const env = { TIP_ADAPTER_REDIS_USER: 'tip', TIP_ADAPTER_REDIS_PASSWORD: SECRET };

  const open = (given: Partial<Waiting> = {}): Promise<Work> =>
    openWaitingWork(
      waiting({
        ...{ source: join(folder, 'source'), target: join(folder, `target-${targets++}`), shards: 6 },
        ...given,
      }),
    );
  /** Runs work on a worker that ends when all is done. */
  async function withWorker(options: Partial<WorkerOptions> = {}): Promise<RunningWorker> {
    return startWorker(redis.address, { process: own, env, lock: 1000, once: true, ...options });
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tip-adapter-worker-'));
    redis = await RedisServer.start(
      '--user',
      'tip',
      'on',
      `>${SECRET}`,
      ...RIGHTS,
      '--user',
      'default',
      'off',
    );
    client = await connectRedis(redis.address, { env });
    await writeSource(join(folder, 'source'), 6);
  });
  afterAll(async () => {
    client?.disconnect();
    await redis.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is refused by a wrong password at once, by a Redis that forgets, and by what is no Redis', async () => {
    const wrong = { env: { ...env, TIP_ADAPTER_REDIS_PASSWORD: 'a-wrong-one' } };
    const failure = await connectRedis(redis.address, wrong).catch((error) => error);
    expect(failure.code).toBe('queue/denied');
    expect(JSON.stringify([failure.message, failure.details, failure.hint])).not.toMatch(/wrong-one/);
    await expect(connectRedis(redis.address, { env: {} })).rejects.toMatchObject({ code: 'queue/denied' });
    const nothing = `redis://127.0.0.1:${await freePort()}`;
    await expect(connectRedis(nothing)).rejects.toMatchObject({ code: 'queue/unreachable' });
    const forgetful = await RedisServer.start('--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru');
    await expect(connectRedis(forgetful.address)).rejects.toMatchObject({ code: 'queue/eviction' });
    await forgetful.close();
    const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    );
    await new Promise((resolve) => web.once('listening', resolve));
    const { port } = web.address() as { port: number };
    await expect(connectRedis(`redis://127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'queue/unreachable',
    });
    await expect(connectRedis(`rediss://127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'queue/certificate',
    });
    web.close();
  });

  it('makes the result of a run whose producer has left', async () => {
    const work = await open();
    await using queue = await openBullQueue(redis.address, { env, detach: true });
    await queue.run(work);
    const store = openStore(String(work.description.target));
    expect(await store.find('result')).toBeUndefined();
    const events: WorkerEvent[] = [];
    await (await withWorker({ concurrency: 2, onEvent: (event) => events.push(event) })).ended;
    expect(await store.find('result')).toBeDefined();
    expect(events.at(-1)).toEqual({ event: 'draining', shards: 0 });
    expect(events.at(-2)).toMatchObject({ event: 'finished', pictures: 60, failures: 2 });
    await using jobs = await openJobs(redis.address, { env });
    expect(await jobs.show(runOf(work))).toMatchObject({ state: 'done', detached: true, done: 6 });
    await expect(jobs.show('nothing')).rejects.toMatchObject({ code: 'queue/no-run' });
  });

  it('finishes its shard when it is stopped, and leaves the others to the next one', async () => {
    const work = await open({ ms: 300 });
    await using queue = await openBullQueue(redis.address, { env });
    const stop = new AbortController();
    const worker = await startWorker(redis.address, { process: own, env, lock: 1000 }, stop);
    const run = queue.run(work);
    await vi.waitFor(() => expect(worker.counts.busy).toBe(1), 20_000);
    stop.abort();
    await worker.ended;
    const done = worker.counts.shards;
    expect(done).toBeGreaterThanOrEqual(1);
    expect(done).toBeLessThan(6);
    const next = await withWorker();
    await Promise.all([run, next.ended]);
    expect(next.counts.shards).toBe(6 - done);
  });

  it('leaves a cancelled run, which the same command continues', async () => {
    const work = await open({ ms: 400 });
    await using queue = await openBullQueue(redis.address, { env });
    await using jobs = await openJobs(redis.address, { env });
    const stop = new AbortController();
    const worker = await startWorker(redis.address, { process: own, env, lock: 1000 }, stop);
    const run = queue.run(work).catch((error) => error);
    await vi.waitFor(() => expect(worker.counts.shards).toBe(1), 20_000);
    await jobs.cancel(runOf(work));
    expect(await run).toMatchObject({
      code: 'interrupted',
      message: expect.stringContaining('was cancelled'),
    });
    expect(await jobs.show(runOf(work))).toMatchObject({ state: 'cancelled' });
    expect(worker.counts.shards).toBeLessThan(6);
    await runWork(work, queue);
    expect((await work.finished()).size).toBe(6);
    expect(await jobs.show(runOf(work))).toMatchObject({ state: 'done', done: 6, pictures: 60, failures: 2 });
    stop.abort();
    await worker.ended;
  });

  it('ends when it is stopped while Redis is away, and so does a producer', async () => {
    const server = await RedisServer.start();
    const stop = new AbortController();
    const lost = vi.fn();
    const worker = await startWorker(server.address, { process: own, lock: 1000, onConnection: lost }, stop);
    const queue = await openBullQueue(server.address);
    const run = queue.run(await open({ ms: 5000 }), { signal: stop.signal }).catch((error) => error);
    await vi.waitFor(() => expect(worker.counts.busy).toBe(1), 20_000);
    await server.stop();
    await vi.waitFor(() => expect(lost).toHaveBeenCalledWith(expect.any(String)), 20_000);
    stop.abort();
    await worker.ended;
    expect(await run).toMatchObject({ code: 'interrupted' });
    await queue[Symbol.asyncDispose]();
    await server.close();
  });

  it('tries shards again on demand', async () => {
    const target = join(folder, 'retried');
    const work = await open({ target, failing: [1] });
    await using queue = await openBullQueue(redis.address, { env, detach: true });
    await using jobs = await openJobs(redis.address, { env });
    await queue.run(work);
    const first = await withWorker();
    await first.ended;
    expect(first.counts).toMatchObject({ shards: 5, failed: 3 });
    expect(await jobs.show(runOf(work))).toMatchObject({
      state: 'set aside',
      setAside: [{ name: '1/first to 1/last', pictures: 10, reason: 'No space is left' }],
    });
    // After a start whose pictures have changed, the failed shard is none of the run's.
    await startRun(client, work);
    expect(await jobs.show(runOf(work))).toMatchObject({ state: 'running', setAside: [] });
    expect(await jobs.retry(runOf(work))).toBe(0);
    for await (const shard of work.shards())
      if (shard.pointer === 1) await addPending(client, runOf(work), [shard]);
    expect(await jobs.retry(runOf(work))).toBe(1);
    expect(await jobs.show(runOf(work))).toMatchObject({ state: 'running', pending: 1, setAside: [] });
    await jobs.cancel(runOf(work));
    await (await withWorker()).ended;
  });

  it('leaves a shard that failed to others when it is stopped, whatever its clock says', async () => {
    const work = await open({ shards: 1, flaky: [0] });
    await using queue = await openBullQueue(redis.address, { env, detach: true });
    await queue.run(work);
    const real = Date.now;
    const ahead = vi.spyOn(Date, 'now').mockImplementation(() => real() + 3_600_000);
    const stop = new AbortController();
    const options = {
      process: own,
      env,
      onEvent: (event: WorkerEvent) => event.event === 'failed' && stop.abort(),
    };
    const first = await startWorker(redis.address, options, stop);
    await first.ended;
    ahead.mockRestore();
    expect(first.counts).toMatchObject({ shards: 0, failed: 1 });
    const next = await withWorker();
    await next.ended;
    expect(next.counts).toMatchObject({ shards: 1, failed: 0 });
  });

  it('makes the result once its failure is mended, and after a worker died before it could ask for it', async () => {
    const work = await open();
    const target = String(work.description.target);
    // A folder in the place of the result's file.
    await mkdir(join(target, 'result'), { recursive: true });
    await using queue = await openBullQueue(redis.address, { env, detach: true });
    await using jobs = await openJobs(redis.address, { env });
    await queue.run(work);
    await (await withWorker()).ended;
    expect(await jobs.show(runOf(work))).toMatchObject({
      state: 'set aside',
      setAside: [{ name: 'the result' }],
    });
    await rm(join(target, 'result'), { recursive: true });
    await queue.run(work);
    expect(await jobs.show(runOf(work))).toMatchObject({ state: 'running', setAside: [] });
    await (await withWorker()).ended;
    expect(await jobs.show(runOf(work))).toMatchObject({ state: 'done', pictures: 60, failures: 2 });
    const outcome = { pictures: 10, failures: 0, bytesRead: 1, seconds: 0 };
    const again = await open({ shards: 1 });
    await queue.run(again);
    for await (const { id } of again.shards())
      for (const _ of ['counted', 'counted again by the next worker'])
        expect(await countDone(client, runOf(again), id, outcome)).toBe(true);
    await (await withWorker()).ended;
  });

  it('refuses a run of another version, and leaves it to others', async () => {
    const work = await open();
    await using queue = await openBullQueue(redis.address, { env, detach: true });
    await queue.run(work);
    await client.hset(`tip:run:${runOf(work)}`, 'version', '0.0.1');
    const worker = await withWorker();
    await expect(worker.ended).rejects.toMatchObject({ code: 'worker/version', exitCode: 4 });
    await queue.run(work);
    await (await withWorker()).ended;
    expect((await work.finished()).size).toBe(6);
  });

  it('gives the shard back and ends if its classifier is another one', async () => {
    const work = await open();
    await using queue = await openBullQueue(redis.address, { env, detach: true });
    await queue.run(work);
    const refusal = new ModelError('another classifier', { code: 'scale/other-classifier' });
    const refusing = { do: () => Promise.reject(refusal), close: vi.fn() };
    const worker = await withWorker({ process: () => refusing });
    await expect(worker.ended).rejects.toMatchObject({ code: 'scale/other-classifier' });
    expect(worker.counts.failed).toBe(1);
    await (await withWorker()).ended;
    expect((await work.finished()).size).toBe(6);
  });

  it.skipIf(!s3Program)(`gets through a store that answers 503 and half bodies${S3_SKIP}`, async () => {
    const server = await startS3();
    await server.createBucket('bucket');
    const proxy = await startFaultyProxy(server.env.AWS_ENDPOINT_URL!, 5);
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
    try {
      await writeSource('s3://bucket/source', 6);
      const alone = await open({ source: 's3://bucket/source', target: 's3://bucket/alone' });
      await localQueue.run(alone);
      await alone.finish();
      vi.stubEnv('AWS_ENDPOINT_URL', proxy.address);
      const work = await open({ source: 's3://bucket/source', target: 's3://bucket/target' });
      await using queue = await openBullQueue(redis.address, { env });
      await Promise.all([queue.run(work), (await withWorker({ concurrency: 2 })).ended]);
      await work.finish();
      expect(proxy.faults.refused).toBeGreaterThan(2);
      expect(proxy.faults.cut).toBeGreaterThan(2);
      const store = openStore('s3://bucket/', { env: server.env });
      for await (const { key } of store.list('alone/'))
        expect(await store.read(key.replace('alone', 'target'))).toEqual(await store.read(key));
    } finally {
      vi.unstubAllEnvs();
      proxy.close();
      await server.close();
    }
  });
});
