import { openBullQueue } from './bull-queue.ts';
import { openWork } from './open-work.ts';
import { RedisServer } from './redis-server.fixture.ts';
import type { Queue } from './work.ts';
import { startWorker, type WorkerOptions } from './worker.ts';

/** Does shards as the process of a worker does, in this process. */
const inProcess: WorkerOptions['process'] = () => ({
  async do(task) {
    const work = await openWork(task.run.description);
    if (task.kind === 'finish') return { kind: 'finish', summary: await work.finish() };
    return { kind: 'shard', outcome: await work.run(task.shard) };
  },
  close() {},
});

/** Calls `use` with a queue on a Redis of its own, whose shards a worker in this process does. */
export async function withOwnWorker(
  use: (queue: Queue, worker: Awaited<ReturnType<typeof startWorker>>) => Promise<void>,
): Promise<void> {
  const redis = await RedisServer.start();
  const stop = new AbortController();
  const worker = await startWorker(redis.address, { process: inProcess, lock: 60_000 }, stop);
  try {
    await using queue = await openBullQueue(redis.address);
    await use(queue, worker);
  } finally {
    stop.abort();
    await worker.ended;
    await redis.close();
  }
}
