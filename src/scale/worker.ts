import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Worker as JobWorker } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Abortable, onAbort } from '../abort.ts';
import { ModelError, TipAdapterError } from '../errors.ts';
import { traced } from '../tracing.ts';
import { version } from '../version.ts';
import {
  addFinish,
  type JobQueue,
  MOST_ATTEMPTS,
  openJobQueue,
  PREFIX,
  QUEUE,
  type ShardJob,
} from './job-queue.ts';
import { connectRedis } from './redis.ts';
import type { RedisSettings } from './redis-settings.ts';
import { countDone, finishRun, isCancelled, type RunRecord, readRun } from './run-record.ts';
import type { ShardProcess } from './shard-process.ts';
import type { RunStart } from './shard-protocol.ts';
import type { ShardOutcome } from './work.ts';

export interface WorkerOptions extends RedisSettings {
  /** Starts a process that does shards, one at a time. In measurements, an object that only waits takes its place. */
  process(): Pick<ShardProcess, 'do' | 'close'>;
  /** Number of shards at the same time, each in a process with its own encoder. Default 1. */
  readonly concurrency?: number;
  /** Ends when no shard waits and none is worked on. */
  readonly once?: boolean;
  /** Milliseconds after which a worker that is silent loses its shard to another one. Default 15,000. */
  readonly lock?: number;
  onEvent?(event: WorkerEvent): void;
}

/** An event of a worker. */
export type WorkerEvent =
  | { readonly event: 'ready'; readonly concurrency: number }
  | ({ readonly event: 'shard'; readonly run: string; readonly name: string } & ShardOutcome)
  | { readonly event: 'finished'; readonly run: string; readonly pictures: number; readonly failures: number }
  | {
      readonly event: 'failed';
      readonly run: string;
      readonly name: string;
      readonly error: Error;
      readonly again: boolean;
    }
  | { readonly event: 'connection'; readonly lost?: string }
  | { readonly event: 'draining'; readonly shards: number };

/** The counts of a running worker. */
export interface WorkerCounts {
  readonly connected: boolean;
  readonly busy: number;
  readonly shards: number;
  readonly pictures: number;
  /** Rows of features that were summed up. */
  readonly rows: number;
  readonly failures: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Number of attempts that failed. */
  readonly failed: number;
}

/** A worker that runs. */
export interface RunningWorker {
  readonly counts: WorkerCounts;
  /** Numbers of shards that wait and that are worked on, of all runs. */
  queued(): Promise<{ waiting: number; active: number }>;
  /** Resolves when the worker has ended. Rejects if it refused work: `worker/version`, or `scale/other-…`. */
  readonly ended: Promise<void>;
}

/** Number of starts after which a temporary failure (of the network, of the store) counts as permanent. */
const MOST_STARTS = 30;
const LONGEST_PAUSE = 60_000;

/** Errors of the store or the network, which may pass. Such a shard waits for its next attempt, and this is not counted. */
const PASSING = /^(store\/(unreachable|refused|incomplete)|network\/(unreachable|refused|cut))$/;

/** Errors of this machine. The worker gives its shard back and ends. */
const REFUSING = /^(worker\/version|network\/(gated|denied)|scale\/other-(encoder|data|classifier))$/;

/** Milliseconds between two looks whether a run was cancelled, and whether there is anything left to do. */
const LOOK = 2_000;

/**
 * Does the shards of all runs in Redis until the signal fires, and then finishes those in progress. Throws the errors of `connectRedis`.
 */
export async function startWorker(
  address: string,
  options: WorkerOptions,
  { signal }: Abortable = {},
): Promise<RunningWorker> {
  const { onEvent, onConnection } = options;
  const counts = {
    connected: true,
    busy: 0,
    shards: 0,
    pictures: 0,
    rows: 0,
    failures: 0,
    bytes: 0,
    seconds: 0,
    failed: 0,
  };
  const redis = await connectRedis(
    address,
    {
      ...options,
      onConnection(lost) {
        counts.connected = lost === undefined;
        onConnection?.(lost);
        onEvent?.({ event: 'connection', lost });
      },
    },
    { signal },
  );
  const jobs = await openJobQueue(redis);
  const running = new ShardWorker(redis, jobs, options, counts);
  const ended = running.run(signal).finally(async () => {
    await jobs.close();
    redis.disconnect();
  });
  // An error that occurs before anyone awaits `ended` must not count as an unhandled rejection.
  ended.catch(() => {});
  return {
    counts,
    ended,
    async queued() {
      const { waiting = 0, active = 0 } = await jobs.getJobCounts('waiting', 'active');
      return { waiting, active };
    },
  };
}

class ShardWorker {
  readonly #redis: Redis;
  readonly #jobs: JobQueue;
  readonly #options: WorkerOptions;
  readonly #counts: { -readonly [K in keyof WorkerCounts]: WorkerCounts[K] };
  readonly #idle: Pick<ShardProcess, 'do' | 'close'>[];
  #worker?: JobWorker<ShardJob>;
  #refusal?: Error;
  readonly #draining = new AbortController();

  constructor(redis: Redis, jobs: JobQueue, options: WorkerOptions, counts: WorkerCounts) {
    const { concurrency = 1 } = options;
    this.#redis = redis;
    this.#jobs = jobs;
    this.#options = options;
    this.#counts = counts;
    this.#idle = Array.from({ length: concurrency }, options.process);
  }

  async run(signal?: AbortSignal): Promise<void> {
    const { concurrency = 1, once = false, lock = 15_000, onEvent } = this.#options;
    const { Worker } = await import('bullmq');
    const processes = [...this.#idle];
    const worker = new Worker<ShardJob>(QUEUE, (job, token) => this.#process(job, token), {
      connection: this.#redis,
      prefix: PREFIX,
      concurrency,
      lockDuration: lock,
      stalledInterval: lock,
      // When a third worker has died over the same shard, the shard is set aside.
      maxStalledCount: MOST_ATTEMPTS - 1,
      skipVersionCheck: true,
    });
    this.#worker = worker;
    // The connection tells its errors itself; others are of locks that ran out, whose shards come again.
    worker.on('error', () => {});
    onEvent?.({ event: 'ready', concurrency });
    const stopped = new Promise<void>((resolve) => {
      if (signal?.aborted) resolve();
      onAbort(signal, resolve);
    });
    const closed = new Promise<void>((resolve) => void worker.once('closing', () => resolve()));
    if (once) void this.#endWhenEmpty(worker);
    await Promise.race([stopped, closed]);
    onEvent?.({ event: 'draining', shards: this.#counts.busy });
    this.#draining.abort();
    await Promise.race([worker.close(), this.#lostFor(lock)]);
    for (const each of processes) each.close();
    if (this.#refusal) throw this.#refusal;
  }

  /** Resolves when Redis could not be reached for a while. Other workers then have the shards, and a worker that ends need not wait. */
  async #lostFor(milliseconds: number): Promise<void> {
    let since = performance.now();
    while (performance.now() - since < milliseconds) {
      await sleep(milliseconds / 10, undefined, { ref: false });
      if (this.#counts.connected) since = performance.now();
    }
  }

  async #endWhenEmpty(worker: JobWorker<ShardJob>): Promise<void> {
    while (!worker.closing) {
      await sleep(LOOK / 4);
      const left = await this.#jobs.getJobCountByTypes('waiting', 'active').catch(() => 1);
      if (left === 0) void worker.close();
    }
  }

  async #process(job: Job<ShardJob>, token?: string): Promise<void> {
    const { run, name } = job.data;
    const record = await readRun(this.#redis, run);
    // A cancelled run is not worked on. A run without a record was lost by Redis, and its producer adds it again.
    if (!record || record.cancelled) return;
    const own = this.#idle.pop()!;
    const cancelled = new AbortController();
    const look = setInterval(async () => {
      if (await isCancelled(this.#redis, run)) cancelled.abort();
    }, LOOK);
    this.#counts.busy++;
    try {
      if (record.version !== version) throw versionError(record);
      const facts = { 'tip_adapter.run': job.data.run, 'tip_adapter.work': record.description.kind };
      await traced('job', facts, () => this.#work(own, job, record, cancelled.signal));
    } catch (error) {
      if (cancelled.signal.aborted) {
        if (await isCancelled(this.#redis, run)) return;
        // The run was started again while its shard was being left, so that its job could not be added.
        const { WaitingError } = await import('bullmq');
        await job.moveToWait(token);
        throw new WaitingError();
      }
      await this.#failed(job, error as Error, token, name);
    } finally {
      clearInterval(look);
      this.#counts.busy--;
      this.#idle.push(own);
    }
  }

  async #work(
    own: Pick<ShardProcess, 'do' | 'close'>,
    job: Job<ShardJob>,
    record: RunRecord,
    signal: AbortSignal,
  ): Promise<void> {
    const { run, shard, pointer, pictures, name } = job.data;
    const { onEvent } = this.#options;
    if (job.name === 'finish') {
      const answer = await own.do({ kind: 'finish', run: startOf(record) }, { signal });
      if (answer.kind !== 'finish') throw new Error(`the process answered ${answer.kind}`);
      await finishRun(this.#redis, run, answer.summary);
      onEvent?.({ event: 'finished', run, ...answer.summary });
      return;
    }
    const given = { id: shard, pointer, pictures, name };
    const task = { kind: 'shard', run: startOf(record), shard: given } as const;
    const onProgress = (done: number) => void job.updateProgress(done).catch(() => {});
    const answer = await traced('shard', { 'tip_adapter.run': run, 'tip_adapter.shard': shard }, () =>
      own.do(task, { signal, onProgress }),
    );
    if (answer.kind !== 'shard') throw new Error(`the process answered ${answer.kind}`);
    const { outcome } = answer;
    const last = await countDone(this.#redis, run, shard, outcome);
    const counts = this.#counts;
    counts.shards++;
    counts[record.description.kind === 'summary' ? 'rows' : 'pictures'] += outcome.pictures;
    counts.failures += outcome.failures;
    counts.bytes += outcome.bytesRead;
    counts.seconds += outcome.seconds;
    onEvent?.({ event: 'shard', run, name, ...outcome });
    if (last) await addFinish(this.#jobs, run);
  }

  /** Waits, but not longer than the worker runs. */
  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#draining.signal }).catch(() => {});
  }

  /** Gives a job back, if its failure may pass or is this machine's; else the failure is counted. */
  async #failed(job: Job<ShardJob>, error: Error, token: string | undefined, name: string): Promise<never> {
    const code = error instanceof TipAdapterError ? error.code : '';
    const { run } = job.data;
    const passing = PASSING.test(code) && job.attemptsStarted < MOST_STARTS;
    const refusing = REFUSING.test(code);
    const again = passing || refusing || job.attemptsMade + 1 < MOST_ATTEMPTS;
    this.#counts.failed++;
    this.#options.onEvent?.({ event: 'failed', run, name, error, again });
    if (refusing) {
      this.#refusal ??= error;
      void this.#worker?.close();
    } else if (again) {
      // The worker itself waits. A job that waits in Redis does so by the clocks of its workers, and one of these may be wrong.
      const pause = Math.min(1000 * 2 ** Math.min(job.attemptsStarted - 1, 10), LONGEST_PAUSE);
      await this.#pause(pause * (0.5 + Math.random() / 2));
    }
    if (!refusing && !passing) throw error;
    const { WaitingError } = await import('bullmq');
    await job.moveToWait(token);
    throw new WaitingError();
  }
}

const startOf = ({ run, started, description }: RunRecord): RunStart => ({ run, started, description });

function versionError({ version: other, run }: RunRecord): ModelError {
  return new ModelError(
    `The run ${run} was started by version ${other}, and this worker has version ${version}`,
    {
      code: 'worker/version',
      hint: `Install tip-adapter@${other} here, or start the run again with version ${version}.`,
      details: { run, version: other },
    },
  );
}
