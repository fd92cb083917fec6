import { setTimeout as sleep } from 'node:timers/promises';
import { openBullQueue } from '../src/scale/bull-queue.ts';
import { connectRedis } from '../src/scale/redis.ts';
import { RedisServer } from '../src/scale/redis-server.fixture.ts';
import type { Work } from '../src/scale/work.ts';
import { startWorker, type WorkerOptions } from '../src/scale/worker.ts';
import { hashOf } from '../src/store/checksum.ts';

/** Work whose shards exist as numbers only. */
function numberedWork(shards: number, pictures: number): Work {
  const name = `photos/${'x'.repeat(60)}.jpg`;
  return {
    id: hashOf(`${shards} ${pictures}`),
    description: { kind: 'embed', shards },
    pictures: shards * pictures,
    async *shards() {
      for (let n = 0; n < shards; n++)
        yield {
          id: hashOf(`${n}`),
          pointer: { from: n * pictures, to: (n + 1) * pictures },
          pictures,
          name: `${name} to ${name}`,
        };
    },
    resultKey: ({ id }) => id,
    finished: async () => new Set(),
    begin: async () => undefined,
    run: () => Promise.reject(new Error('not done here')),
    finish: async () => ({ shards, pictures: shards * pictures, failures: 0 }),
    close: async () => {},
  };
}

/** A worker's process that only waits. */
const waitingFor =
  (milliseconds: (pictures: number) => number): WorkerOptions['process'] =>
  () => ({
    async do(task) {
      if (task.kind !== 'shard') throw new Error('no result is made here');
      const { pictures = 0 } = task.shard;
      const wait = milliseconds(pictures);
      if (wait > 0) await sleep(wait);
      return { kind: 'shard', outcome: { pictures, failures: 0, seconds: wait / 1000, bytesRead: 0 } };
    },
    close() {},
  });

interface Measured {
  readonly seconds: number;
  /** Growth of the memory of Redis and of this process, in bytes, at its largest. */
  readonly redis: number;
  readonly producer: number;
}

/** Runs shards on workers in this process. With `detach`, all shards are in Redis before the first is done. */
async function measure(
  work: Work,
  { workers, wait, detach = false }: { workers: number; wait(pictures: number): number; detach?: boolean },
): Promise<Measured> {
  const redis = await RedisServer.start('--appendfsync', 'everysec');
  const client = await connectRedis(redis.address);
  const used = async () => Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
  const [redisBefore, ownBefore] = [await used(), process.memoryUsage.rss()];
  const peak = { redis: 0, producer: 0 };
  const look = setInterval(async () => {
    peak.producer = Math.max(peak.producer, process.memoryUsage.rss() - ownBefore);
    peak.redis = Math.max(peak.redis, (await used()) - redisBefore);
  }, 200);
  const queue = await openBullQueue(redis.address, { detach });
  const stop = new AbortController();
  const options = { process: waitingFor(wait), concurrency: workers };
  // Workers are there before the time is taken, and leave after it.
  const running = detach ? undefined : await startWorker(redis.address, options, stop);
  const started = performance.now();
  await queue.run(work);
  const seconds = (performance.now() - started) / 1000;
  stop.abort();
  await running?.ended;
  peak.redis = Math.max(peak.redis, (await used()) - redisBefore);
  clearInterval(look);
  await queue[Symbol.asyncDispose]();
  client.disconnect();
  await redis.close();
  return { seconds, ...peak };
}

const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/**
 * What the queue itself can do, with an encoder that only waits: shards a second, the memory of Redis and of the producer for ten million
 * pictures, and 200 workers of 20 ms a picture.
 */
export async function benchQueueLimits(): Promise<string[]> {
  const [shards, pictures] = [5_000, 2_000];
  const all = (shards * pictures).toLocaleString('en');
  const none = () => 0;
  const limit = await measure(numberedWork(shards, pictures), { workers: 16, wait: none });
  const detached = await measure(numberedWork(shards, pictures), { workers: 0, wait: none, detach: true });
  const [many, each, workers, ms] = [1_000, 500, 200, 20];
  const simulated = await measure(numberedWork(many, each), { workers, wait: (n) => n * ms });
  const ideal = (many * each * ms) / 1000 / workers;
  return [
    'The queue, with an encoder that only waits; producer and workers in one process',
    `  its limit                    ${Math.round(shards / limit.seconds)} shards a second (${shards} shards of ${pictures} pictures)`,
    `  ${all} pictures          Redis +${mb(limit.redis)}, producer and workers +${mb(limit.producer)}`,
    `  the same with --detach       Redis +${mb(detached.redis)}, ${Math.round(detached.redis / shards)} bytes a shard, added in ${detached.seconds.toFixed(1)} s`,
    `  ${workers} workers of ${ms} ms         ${many} shards of ${each} pictures in ${simulated.seconds.toFixed(1)} s: ${((100 * ideal) / simulated.seconds).toFixed(1)}% of the sum (at least 95%): ${Math.round((many * each) / simulated.seconds)} of ${Math.round(1000 / ms) * workers} pictures a second`,
  ];
}
