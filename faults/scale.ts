import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { random } from '../src/math/random.ts';
import { openBullQueue } from '../src/scale/bull-queue.ts';
import { openJobs } from '../src/scale/jobs.ts';
import { localQueue } from '../src/scale/local-queue.ts';
import { RedisServer, redisProgram } from '../src/scale/redis-server.fixture.ts';
import { runOf } from '../src/scale/run-record.ts';
import { runWork } from '../src/scale/run-work.ts';
import { openWaitingWork, type Waiting, waiting, writeSource } from '../src/scale/waiting-work.fixture.ts';
import type { RunSummary, Work } from '../src/scale/work.ts';
import { startWorkerProcess, type WorkerProcess } from '../src/scale/workers.fixture.ts';
import { startFaultyProxy } from '../src/store/faulty-proxy.fixture.ts';
import { openStore } from '../src/store/open-store.ts';
import { s3Program, startS3 } from '../src/store/s3-server.fixture.ts';
import { compile } from '../tests/built.ts';
import { type Disturbance, type Disturbed, disturbances, done, LOCK } from './disturbances.ts';
import type { Report } from './serving.ts';

const SHARDS = 200;
/** Milliseconds for a shard of ten pictures. */
const EACH = 100;

/** All objects of a target with their content. */
async function contents(target: string, env?: Record<string, string>): Promise<Record<string, string>> {
  const store = openStore(target, { env: env ?? process.env });
  const all: Record<string, string> = {};
  for await (const { key } of store.list()) all[key] = Buffer.from(await store.read(key)).toString();
  return all;
}

/** What one process makes of the same shards, at another target. */
async function alone(description: Waiting, target: string): Promise<Record<string, string>> {
  const work = await openWaitingWork({
    ...description,
    target,
    ms: 0,
    deadly: [],
    deadlier: [],
    failing: [],
    flaky: [],
  });
  await localQueue.run(work);
  await work.finish();
  return contents(target);
}

/**
 * Has workers do runs of 200 shards with an encoder that only waits, while workers, Redis, the network, the store and clocks fail. Each run must
 * end with every picture once, byte for byte as one process does it; a poisoned shard is set aside, and all others are done.
 */
export async function runScale({ seed }: { seed: number }): Promise<Report> {
  if (!redisProgram) return { lines: ['Skipped: this needs redis-server'], faults: 0 };
  compile();
  const folder = await mkdtemp(join(tmpdir(), 'faults-scale-'));
  console.log(`Runs of ${SHARDS} shards of ten pictures, ${EACH} ms or more each, by workers in processes`);
  let faults = 0;
  const tell = (about: string, fault: string | undefined, what: string) => {
    if (fault) faults++;
    console.log(`  ${about}: ${what}: ${fault ?? 'every picture once, as by one process'}`);
  };
  try {
    await writeSource(join(folder, 'source'), SHARDS);
    for (const [i, one] of disturbances.entries()) {
      const description = waiting({
        ...{ source: join(folder, 'source'), target: join(folder, `target-${i}`) },
        ...{ shards: SHARDS, ms: EACH, ...one.given },
      });
      const { fault, what } = await disturbed(one, description, seed, join(folder, `alone-${i}`));
      tell(one.about, fault, what);
    }
    if (s3Program) {
      const { fault, what } = await throughFaultyStore();
      tell('a store refuses with 503 and breaks off bodies', fault, what);
    } else console.log('  a store that fails: skipped, because there is neither versitygw nor moto_server');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { lines: [], faults };
}

async function disturbed(
  { harm, workers = 2 }: Disturbance,
  description: Waiting,
  seed: number,
  beside: string,
): Promise<{ fault?: string; what: string }> {
  const redis = await RedisServer.start();
  const own = new Set<WorkerProcess>();
  const all: WorkerProcess[] = [];
  const start: Disturbed['start'] = ({ address = redis.address, env } = {}) => {
    const worker = startWorkerProcess(address, { lock: LOCK }, env);
    own.add(worker);
    all.push(worker);
    void worker.ended.then(() => own.delete(worker));
    return worker;
  };
  try {
    await Promise.all(Array.from({ length: workers }, () => start().ready));
    const work = await openWaitingWork(description);
    const queue = await openBullQueue(redis.address);
    const started = performance.now();
    let over = false;
    const running = runWork(work, queue).then(
      (summary) => summary,
      (error: Error & { details?: { shards: readonly { name: string }[] } }) => error,
    );
    const ending = running.finally(() => {
      over = true;
    });
    const harmed = await harm(
      { redis, work, workers: own, start, ended: () => over },
      random('scale', seed).integer,
    );
    const ended = await ending;
    await queue.close();
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    const shards = all.reduce((sum, worker) => sum + done(worker), 0);
    const what = `${seconds} s, ${harmed}, ${shards} shards told as done`;
    return { what, fault: await faultOf(work, description, redis, beside, ended) };
  } finally {
    for (const { child } of own) child.kill('SIGKILL');
    await redis.close();
  }
}

/** What is wrong with the result of a run and with what Redis says about it. */
async function faultOf(
  work: Work,
  description: Waiting,
  redis: RedisServer,
  beside: string,
  ended: RunSummary | (Error & { details?: { shards: readonly { name: string }[] } }),
): Promise<string | undefined> {
  const { deadly, deadlier, failing } = description;
  const poisoned = [...deadly, ...deadlier, ...failing];
  const expected = await alone(description, beside);
  const made = await contents(description.target);
  if (ended instanceof Error) {
    const named = (ended.details?.shards ?? [])
      .map(({ name }) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
    if (poisoned.length === 0 || !isDeepStrictEqual(named, poisoned)) return ended.message;
    // The result is made of all shards, so that there is none yet.
    delete expected.result;
    for await (const shard of work.shards())
      if (poisoned.includes(Number(shard.pointer))) delete expected[work.resultKey(shard)];
  } else if (poisoned.length > 0) return 'no shard was set aside';
  if (!isDeepStrictEqual(made, expected)) return 'the result differs';
  const jobs = await openJobs(redis.address);
  const { pictures, pending } = await jobs.show(runOf(work));
  await jobs.close();
  const counted = 10 * (SHARDS - poisoned.length);
  if (pictures !== counted || pending !== poisoned.length)
    return `${pictures} pictures are counted, not ${counted}`;
  return undefined;
}

async function throughFaultyStore(): Promise<{ fault?: string; what: string }> {
  const [redis, server] = [await RedisServer.start(), await startS3()];
  const before = { ...process.env };
  Object.assign(process.env, server.env);
  const proxy = await startFaultyProxy(server.env.AWS_ENDPOINT_URL!, 5);
  const workers: WorkerProcess[] = [];
  try {
    await server.createBucket('bucket');
    await writeSource('s3://bucket/source', SHARDS);
    const given = { source: 's3://bucket/source', target: 's3://bucket/target', shards: SHARDS };
    const expected = await alone(waiting(given), 's3://bucket/alone');
    process.env.AWS_ENDPOINT_URL = proxy.address;
    for (let i = 0; i < 2; i++)
      workers.push(startWorkerProcess(redis.address, { lock: LOCK, concurrency: 4 }));
    await Promise.all(workers.map(({ ready }) => ready));
    const started = performance.now();
    const queue = await openBullQueue(redis.address);
    await runWork(await openWaitingWork(waiting(given)), queue);
    await queue.close();
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    const { refused, cut } = proxy.faults;
    const what = `${seconds} s, ${refused} requests refused, ${cut} bodies broken off`;
    const same = isDeepStrictEqual(await contents('s3://bucket/target', server.env), expected);
    return same ? { what } : { what, fault: 'the result differs' };
  } finally {
    for (const { child } of workers) child.kill('SIGKILL');
    proxy.close();
    await server.close();
    await redis.close();
    for (const name of Object.keys(server.env)) delete process.env[name];
    Object.assign(process.env, before);
  }
}
