import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Abortable, waitFor } from '../abort.ts';
import { closable } from '../closable.ts';
import { InterruptedError, throwIfAborted, UsageError } from '../errors.ts';
import {
  addFinish,
  JOB_OPTIONS,
  type JobQueue,
  jobIdOf,
  openJobQueue,
  reasonOf,
  removeFinish,
  type ShardJob,
} from './job-queue.ts';
import { connectRedis } from './redis.ts';
import type { RedisSettings } from './redis-settings.ts';
import {
  addPending,
  countKept,
  finishRun,
  isCancelled,
  markRun,
  readRun,
  runOf,
  shardStates,
  startRun,
} from './run-record.ts';
import { type SetAside, setAsideError } from './set-aside.ts';
import type { Queue, RunProgress, RunSummary, Shard, Work } from './work.ts';

/** Options of a queue on Redis. */
export interface BullQueueOptions extends RedisSettings {
  /**
   * Adds all shards and returns; the last worker makes the run's result. Redis then holds all shards at once, about 0.6 kB each.
   */
  detach?: boolean;
  /** Called once if the run has shards to do and no worker is connected. */
  onNoWorker?(): void;
}

/** Number of shards of a run that Redis holds at once, and number that is added in one request. */
const WINDOW = 4_000;
const BATCH = 500;

/** Milliseconds between two looks at the shards that workers have: at first, and after a while. */
const SOON = 50;
const LATER = 500;

/** Milliseconds without a finished shard after which all pending shards are added again, in case Redis has lost their jobs. */
const ADD_AGAIN = 30_000;

/** `openBullQueue` of the package. */
export async function openBullQueue(
  address: string,
  { detach = false, onNoWorker, ...settings }: BullQueueOptions = {},
  { signal }: Abortable = {},
): Promise<Queue & AsyncDisposable & { close(): Promise<void> }> {
  const redis = await connectRedis(address, settings, { signal });
  const jobs = await openJobQueue(redis);
  return closable({
    check: checkDescription,
    finished: (work: Work, summary: RunSummary) => finishRun(redis, runOf(work), summary),
    run: (work: Work, options: Parameters<Queue['run']>[1] = {}) =>
      new Producer(redis, jobs, work, { ...options, onNoWorker }).run(detach),
    async close() {
      await jobs.close();
      redis.disconnect();
    },
  });
}

/** Feeds the shards of one run to the workers, and follows them until all are done. */
class Producer {
  readonly #redis: Redis;
  readonly #jobs: JobQueue;
  readonly #work: Work;
  readonly #signal?: AbortSignal;
  readonly #onNoWorker?: () => void;
  readonly #onProgress?: (progress: RunProgress) => void;
  /** Shards that workers have, by their ids. */
  readonly #pending = new Map<string, Shard>();
  readonly #setAside: SetAside[] = [];
  #added = false;
  #run = '';
  #shards = 0;
  #kept = 0;
  #pictures = 0;
  #failures = 0;
  #told?: RunProgress;
  #moved = performance.now();

  constructor(
    redis: Redis,
    jobs: JobQueue,
    work: Work,
    {
      signal,
      onProgress,
      onNoWorker,
    }: NonNullable<Parameters<Queue['run']>[1]> & Pick<BullQueueOptions, 'onNoWorker'>,
  ) {
    this.#onNoWorker = onNoWorker;
    this.#redis = redis;
    this.#jobs = jobs;
    this.#work = work;
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  async run(detach: boolean): Promise<void> {
    const work = this.#work;
    const signal = this.#signal;
    this.#run = await this.#wait(startRun(this.#redis, work, { detached: detach }));
    await this.#wait(removeFinish(this.#jobs, this.#run));
    const finished = await work.finished({ signal });
    let batch: Shard[] = [];
    let keptPictures = 0;
    for await (const shard of work.shards({ signal })) {
      if (finished.has(work.resultKey(shard))) {
        this.#shards++;
        this.#kept++;
        keptPictures += shard.pictures ?? 0;
        this.#pictures += shard.pictures ?? 0;
        if (this.#kept % BATCH === 0) this.#tell();
        continue;
      }
      batch.push(shard);
      if (batch.length < BATCH) continue;
      await this.#add(batch);
      batch = [];
      if (detach) this.#pending.clear();
      while (this.#pending.size > WINDOW - BATCH) await this.#follow();
    }
    await this.#add(batch);
    await this.#wait(countKept(this.#redis, this.#run, this.#kept, keptPictures));
    await this.#wait(markRun(this.#redis, this.#run, 'listed'));
    this.#tell();
    if (this.#added && (await this.#wait(this.#jobs.getWorkersCount())) === 0) this.#onNoWorker?.();
    if (detach) return this.#leave();
    while (this.#pending.size > 0) await this.#follow();
    if (this.#setAside.length > 0)
      throw setAsideError(this.#setAside, this.#shards, '; tip-adapter jobs lists them');
  }

  /** Leaves the shards to the workers. If none is left to do, one of them makes the result. */
  async #leave(): Promise<void> {
    const record = await this.#wait(readRun(this.#redis, this.#run));
    if (record?.pending === 0) await this.#wait(addFinish(this.#jobs, this.#run));
  }

  /** Waits for an answer of Redis, for as long as Redis cannot be reached. */
  #wait<T>(work: Promise<T>): Promise<T> {
    return waitFor(work, this.#signal);
  }

  /** Adds shards that are new to this producer. Shards that were set aside before are tried again. */
  async #add(shards: readonly Shard[]): Promise<void> {
    if (shards.length === 0) return;
    this.#added = true;
    const ids = shards.map(({ id }) => jobIdOf(this.#run, id));
    await this.#wait(addPending(this.#redis, this.#run, shards));
    const failed = await this.#wait(this.#redis.zmscore(this.#jobs.keys.failed!, ...ids));
    for (const [i, score] of failed.entries())
      if (score !== null) await this.#wait(this.#jobs.remove(ids[i]!));
    await this.#addJobs(shards);
    for (const shard of shards) this.#pending.set(shard.id, shard);
  }

  /** Adds jobs. A job that is there already stays as it is. */
  async #addJobs(shards: readonly Shard[]): Promise<void> {
    const run = this.#run;
    await this.#wait(
      this.#jobs.addBulk(
        shards.map(({ id, pointer, pictures, name }) => ({
          name: 'shard',
          data: { run, shard: id, pointer, ...(pictures !== undefined && { pictures }), name },
          opts: { ...JOB_OPTIONS, jobId: jobIdOf(run, id) },
        })),
      ),
    );
  }

  /** After a pause, reads once the states of the pending shards. */
  async #follow(): Promise<void> {
    const quiet = performance.now() - this.#moved;
    await sleep(quiet < 2_000 ? SOON : LATER, undefined, { signal: this.#signal }).catch(() =>
      throwIfAborted(this.#signal),
    );
    if (await this.#wait(isCancelled(this.#redis, this.#run))) throw cancelledError(this.#run);
    const shards = [...this.#pending.values()];
    const states = await this.#wait(
      shardStates(
        this.#redis,
        this.#run,
        shards.map(({ id }) => id),
      ),
    );
    const lost: Shard[] = [];
    const waiting: Shard[] = [];
    for (const [i, shard] of shards.entries()) {
      const state = states[i];
      if (state === undefined) lost.push(shard);
      else if (state === 'pending') waiting.push(shard);
      else this.#settle(shard, state.pictures, state.failures);
    }
    if (lost.length > 0) {
      await this.#wait(startRun(this.#redis, this.#work, { keep: true }));
      await this.#add(lost);
    }
    await this.#findSetAside(waiting);
    if (performance.now() - this.#moved > ADD_AGAIN) {
      this.#moved = performance.now();
      await this.#addJobs([...this.#pending.values()]);
    }
    this.#tell(await this.#begun());
  }

  #settle(shard: Shard, pictures: number, failures: number): void {
    this.#pending.delete(shard.id);
    this.#shards++;
    this.#pictures += pictures;
    this.#failures += failures;
    this.#moved = performance.now();
  }

  async #findSetAside(shards: readonly Shard[]): Promise<void> {
    if (shards.length === 0 || (await this.#wait(this.#redis.zcard(this.#jobs.keys.failed!))) === 0) return;
    const ids = shards.map(({ id }) => jobIdOf(this.#run, id));
    const scores = await this.#wait(this.#redis.zmscore(this.#jobs.keys.failed!, ...ids));
    for (const [i, shard] of shards.entries()) {
      if (scores[i] === null) continue;
      const job = await this.#wait(this.#jobs.getJob(ids[i]!));
      if (!job?.failedReason) continue;
      this.#setAside.push({ name: shard.name, reason: reasonOf(job) });
      this.#settle(shard, 0, 0);
    }
  }

  /** Number of finished pictures in the shards that workers have. If there are many shards, only the first hundreds are counted. */
  async #begun(): Promise<number> {
    const active: Job<ShardJob>[] = await this.#wait(this.#jobs.getActive(0, 499));
    const own = active.filter((job) => job && this.#pending.has(job.data.shard));
    return own.reduce((sum, { progress }) => sum + (typeof progress === 'number' ? progress : 0), 0);
  }

  #tell(begun = 0): void {
    const total = this.#work.pictures;
    const progress: RunProgress = {
      shards: this.#shards,
      kept: this.#kept,
      pictures: this.#pictures + begun,
      failures: this.#failures,
      ...(total !== undefined && { total }),
    };
    if (isDeepStrictEqual(progress, this.#told)) return;
    this.#told = progress;
    this.#onProgress?.(progress);
  }
}

/** Refuses addresses with a query, which may be a signature: Redis keeps the description for a month, for all workers to read. */
function checkDescription({ description }: Work): void {
  const [name] =
    Object.entries(description).find(([, value]) =>
      [value].flat().some((one) => typeof one === 'string' && /^https?:\/\/[^?#]*[?#]/i.test(one)),
    ) ?? [];
  if (name === undefined) return;
  throw new UsageError(
    `The address of the ${name} has a query, which Redis would keep where others can read it`,
    {
      code: 'queue/signed-address',
      hint: 'Give workers an address without a query: a list of signed addresses may lie in a shared folder or bucket that they can read.',
    },
  );
}

function cancelledError(run: string): InterruptedError {
  return new InterruptedError(`The run ${run} was cancelled`, {
    hint: 'Finished work is kept. The same command continues from it.',
    details: { run },
  });
}
