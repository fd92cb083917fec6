import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
import { freePort, s3Program, startS3 } from '../src/store/s3-server.fixture.ts';
import { count } from '../src/words.ts';
import { compile } from '../tests/built.ts';
import type { Report } from './serving.ts';

const SHARDS = 200;
/** Milliseconds for a shard of ten pictures. */
const EACH = 100;
/** Seconds for which the network is cut. */
const CUT = 30;
/** Milliseconds after which a silent worker loses its shard. */
const LOCK = 5_000;
/** Milliseconds by which the clock of a worker is wrong. */
const SKEW = 3_600_000;

/** A run that is disturbed: its workers, and what is known of it. */
interface Disturbed {
  readonly redis: RedisServer;
  readonly work: Work;
  readonly workers: Set<WorkerProcess>;
  start(options?: { address?: string; env?: Record<string, string> }): WorkerProcess;
  /** Whether the run has ended. */
  ended(): boolean;
}

interface Disturbance {
  readonly about: string;
  readonly given?: Partial<Waiting>;
  /** Number of workers at the start. */
  readonly workers?: number;
  /** Disturbs the run. Returns what was done, in words. */
  harm(run: Disturbed, draw: (n: number) => number): Promise<string>;
}

const alive = ({ workers }: Disturbed) => [...workers];
const ready = ({ workers }: Disturbed) => [...workers].filter(({ events }) => events.length > 0);

const disturbances: readonly Disturbance[] = [
  {
    about: 'a random worker is killed every second',
    workers: 4,
    async harm(run, draw) {
      let killed = 0;
      while (!run.ended()) {
        await sleep(1_000);
        const all = ready(run);
        // The last one is left, because on a busy machine a worker takes longer than a second to start.
        if (all.length < 2) continue;
        all[draw(all.length)]!.child.kill('SIGKILL');
        killed++;
        run.start();
      }
      return `${count(killed, 'worker')} killed`;
    },
  },
  {
    about: 'Redis stops and starts',
    async harm(run) {
      let stops = 0;
      for (; stops < 4; stops++) {
        await sleep(2_000);
        if (run.ended()) break;
        await run.redis.stop();
        await sleep(2_000);
        await run.redis.start();
      }
      return `${count(stops, 'stop')} of 2 s, as by a power failure`;
    },
  },
  {
    about: `the network to one worker is cut for ${CUT} s`,
    given: { ms: 600 },
    workers: 1,
    async harm(run) {
      const proxy = await startCuttableProxy(run.redis.address);
      const cut = run.start({ address: proxy.address });
      await cut.ready;
      await sleep(2_000);
      proxy.cut(true);
      const before = done(cut);
      await sleep(CUT * 1_000);
      const during = done(cut) - before;
      proxy.cut(false);
      while (!run.ended() && done(cut) - before === during) await sleep(200);
      const after = done(cut) - before - during;
      while (!run.ended()) await sleep(200);
      proxy.close();
      return `the cut worker did ${before} shards before, ${during} during and ${after} or more after it`;
    },
  },
  {
    about: 'a worker is stopped for longer than its lock, again and again',
    given: { ms: 300 },
    async harm(run) {
      const [slow] = alive(run);
      let stops = 0;
      while (!run.ended()) {
        slow!.child.kill('SIGSTOP');
        await sleep(2 * LOCK);
        slow!.child.kill('SIGCONT');
        stops++;
        await sleep(1_000);
      }
      return `${count(stops, 'stop')} of ${(2 * LOCK) / 1000} s, with locks of ${LOCK / 1000} s`;
    },
  },
  {
    about: 'a shard kills its process, another one its worker, a third one fails',
    given: { deadly: [20], deadlier: [40], failing: [60] },
    async harm(run) {
      let started = 0;
      while (!run.ended()) {
        for (; run.workers.size < 2; started++) run.start();
        await sleep(100);
      }
      return `${count(started, 'worker')} started in place of those that died`;
    },
  },
  {
    about: 'two producers of one run',
    async harm(run) {
      const queue = await openBullQueue(run.redis.address);
      const second = await openWaitingWork(run.work.description);
      await queue.run(second);
      await second.finish();
      await queue.close();
      return 'both ended well';
    },
  },
  {
    about: 'one worker has a clock that is an hour ahead, and one a clock that is an hour behind',
    given: { flaky: [10, 30, 50, 70, 90] },
    workers: 1,
    async harm(run) {
      const skewed = (by: number) => run.start({ env: { NODE_OPTIONS: clock(by) } });
      const [ahead, behind] = [skewed(SKEW), skewed(-SKEW)];
      while (!run.ended()) await sleep(200);
      return `they did ${done(ahead)} and ${done(behind)} shards, and five shards failed once`;
    },
  },
];

/** Number of shards that a worker has done. */
const done = ({ events }: WorkerProcess) => events.filter(({ event }) => event === 'shard').length;

/** A flag of Node that makes the clock wrong in a process and in those that it starts. */
function clock(by: number): string {
  const code = `const now=Date.now;Date.now=()=>now()+(${by});const D=Date;globalThis.Date=class extends D{constructor(...a){a.length?super(...a):super(D.now())}};`;
  return `--import data:text/javascript,${encodeURIComponent(code)}`;
}

/** A way to Redis on which all bytes can be held back, as by a network that is cut. */
async function startCuttableProxy(
  address: string,
): Promise<{ address: string; cut(on: boolean): void; close(): void }> {
  const { port } = new URL(address);
  const sockets = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => isCut || to.write(data));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        if (!isCut) to.destroy();
      });
    }
  });
  const own = await freePort();
  await new Promise<void>((resolve) => server.listen(own, '127.0.0.1', resolve));
  return {
    address: `redis://127.0.0.1:${own}`,
    cut(on) {
      isCut = on;
      // What was held back is lost, so that connections of before the cut cannot go on.
      if (!on) for (const socket of sockets) socket.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

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
