import type { Job } from 'bullmq';
import type { Abortable } from '../abort.ts';
import { closable } from '../closable.ts';
import { JOB_OPTIONS, openJobQueue, reasonOf, type ShardJob } from './job-queue.ts';
import { connectRedis } from './redis.ts';
import type { RedisSettings } from './redis-settings.ts';
import { findRun, markRun, type RunRecord, readRuns, shardStates } from './run-record.ts';

/** A shard that failed for good. */
interface SetAside {
  /** The shard in words: its first and last picture. */
  readonly name: string;
  readonly pictures?: number;
  readonly reason: string;
}

type RunState = 'running' | 'done' | 'cancelled' | 'set aside';

/** A run as `jobs` shows it. */
export interface ShownRun extends RunRecord {
  /** `set aside`: all unfinished shards have failed for good. */
  readonly state: RunState;
  readonly setAside: readonly SetAside[];
}

/** The runs that Redis knows, and the actions that a person can take. */
export interface Jobs {
  /** All runs, the latest first. */
  list(): Promise<ShownRun[]>;
  /** The run whose name begins with the letters. Throws `DataError` `queue/no-run`. */
  show(name: string): Promise<ShownRun>;
  /** Number of workers that are connected. */
  workers(): Promise<number>;
  /** Has the shards that were set aside tried again. Returns their number. */
  retry(name: string): Promise<number>;
  /** Has workers leave the shards of a run. What is done is kept, and the command that started the run continues it. */
  cancel(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens the jobs in Redis. Throws as `connectRedis`. */
export async function openJobs(
  address: string,
  settings: RedisSettings = {},
  options: Abortable = {},
): Promise<Jobs & AsyncDisposable> {
  const redis = await connectRedis(address, settings, options);
  const jobs = await openJobQueue(redis);
  const failed = async (): Promise<Job<ShardJob>[]> => (await jobs.getFailed()).filter(Boolean);
  /** The failed jobs of a run. Those of an earlier start, whose pictures have changed since, are not part of it any more. */
  const ofRun = async (run: string, all: readonly Job<ShardJob>[]) => {
    const own = all.filter(({ data }) => data.run === run);
    const states = await shardStates(
      redis,
      run,
      own.map(({ data }) => data.shard),
    );
    return own.filter(({ name }, i) => name === 'finish' || states[i] === 'pending');
  };
  const shown = async (record: RunRecord, all: readonly Job<ShardJob>[]): Promise<ShownRun> => {
    const own = await ofRun(record.run, all);
    const setAside = own.map((job) => ({
      name: job.data.name,
      pictures: job.data.pictures,
      reason: reasonOf(job),
    }));
    const shards = own.filter(({ name }) => name === 'shard').length;
    return { ...record, setAside, state: stateOf(record, shards, setAside.length) };
  };
  return closable<Jobs>({
    async list() {
      const [records, all] = [await readRuns(redis), await failed()];
      return Promise.all(records.map((record) => shown(record, all)));
    },
    show: async (name) => shown(await findRun(redis, name), await failed()),
    workers: () => jobs.getWorkersCount(),
    async retry(name) {
      const { run } = await findRun(redis, name);
      const own = await ofRun(run, await failed());
      for (const job of own) {
        await job.remove();
        await jobs.add(job.name, job.data, { ...JOB_OPTIONS, jobId: job.id });
      }
      return own.length;
    },
    async cancel(name) {
      await markRun(redis, (await findRun(redis, name)).run, 'cancelled');
    },
    async close() {
      await jobs.close();
      redis.disconnect();
    },
  });
}

/** The state of a run of which so many shards, and so many jobs with that of the result, have failed for good. */
function stateOf(
  { cancelled, listed, pending, finished }: RunRecord,
  shards: number,
  setAside: number,
): RunState {
  if (cancelled) return 'cancelled';
  if (finished) return 'done';
  return listed && setAside > 0 && pending <= shards ? 'set aside' : 'running';
}
