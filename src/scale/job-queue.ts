import type { Job, JobsOptions, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Json } from './work.ts';

/** Prefix of all keys in Redis, and the name of the queue of all runs. */
export const PREFIX = 'tip';
export const QUEUE = 'shards';

/** The data of a job: a shard, and the run it belongs to. The description of the work stands once in the run's record. */
export interface ShardJob {
  readonly run: string;
  readonly shard: string;
  readonly pointer: Json;
  readonly pictures?: number;
  readonly name: string;
}

export type JobQueue = Queue<ShardJob>;

/** Number of failed attempts, or of deaths of its worker, after which a shard is set aside. */
export const MOST_ATTEMPTS = 3;

/** Options of a shard's job. A finished job is removed, because a kept one could not be added again when its result is gone. */
export const JOB_OPTIONS: JobsOptions = {
  attempts: MOST_ATTEMPTS,
  removeOnComplete: true,
  removeOnFail: false,
  stackTraceLimit: 1,
  sizeLimit: 64 * 1024,
};

/** The id of a shard's job. It may not be a whole number or have a colon. */
export const jobIdOf = (run: string, shard: string): string => `${run}-${shortId(shard)}`;

/** Enough of a hash for Redis: of a billion shards, two have the same with a probability of 1e-11. */
export const shortId = (shard: string): string => shard.slice(0, 24);

/** The queue of jobs, on a connection of the caller. */
export async function openJobQueue(redis: Redis): Promise<JobQueue> {
  const { Queue } = await import('bullmq');
  const queue = new Queue<ShardJob>(QUEUE, {
    connection: redis,
    prefix: PREFIX,
    skipVersionCheck: true,
    skipMetasUpdate: true,
  });
  // The connection tells its errors itself.
  queue.on('error', () => {});
  return queue;
}

/** Has a worker make the result of a run whose shards are all done. */
export async function addFinish(jobs: JobQueue, run: string): Promise<void> {
  await removeFinish(jobs, run);
  const data: ShardJob = { run, shard: 'finish', pointer: null, name: 'the result' };
  await jobs.add('finish', data, { ...JOB_OPTIONS, jobId: jobIdOf(run, 'finish') });
}

/** Removes the job of a result that failed or waits: while it is there, none of the same id can be added. */
export async function removeFinish(jobs: JobQueue, run: string): Promise<void> {
  await jobs.remove(jobIdOf(run, 'finish'));
}

/** The reason why a job was set aside, in words. */
export function reasonOf({ failedReason }: Pick<Job<ShardJob>, 'failedReason'>): string {
  return /stalled more than/.test(failedReason)
    ? `its worker died or was cut off ${MOST_ATTEMPTS} times`
    : failedReason;
}
