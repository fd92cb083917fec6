import type { Redis } from 'ioredis';
import { DataError } from '../errors.ts';
import { hashOf } from '../store/checksum.ts';
import { version } from '../version.ts';
import { PREFIX, shortId } from './job-queue.ts';
import type { RunSummary, Shard, ShardOutcome, Work, WorkDescription } from './work.ts';

/** The record of a run in Redis. Only the results in the store show what is finished; the record is for workers and for display. */
export interface RunRecord {
  readonly run: string;
  readonly description: WorkDescription;
  /** Version of the program that started the run. */
  readonly version: string;
  /** Milliseconds since 1970 when the run was last started. */
  readonly started: number;
  /** Number of pictures of all shards, if it is known. */
  readonly total?: number;
  /** Whether all shards are listed. */
  readonly listed: boolean;
  /** Whether a worker makes the run's result when the last shard is done, because the producer has left. */
  readonly detached: boolean;
  readonly cancelled: boolean;
  /** Whether the run's result is made. */
  readonly finished: boolean;
  /** Number of shards that wait or are worked on, and of those done. */
  readonly pending: number;
  readonly done: number;
  /** Number of the shards done that an earlier start of the run did, as long as `failures` lacks theirs: until the result is made. */
  readonly kept: number;
  /** Sums over the shards that are done. */
  readonly pictures: number;
  readonly failures: number;
  readonly bytes: number;
}

/** Seconds after the last change for which a run's record is kept. */
const KEPT = 30 * 24 * 3600;

/** The name of a run: of the same work on the same source, for the same target. */
export const runOf = ({ id, description }: Pick<Work, 'id' | 'description'>): string =>
  `r${hashOf(id, JSON.stringify(description)).slice(0, 12)}`;
const recordKey = (run: string) => `${PREFIX}:run:${run}`;
const shardsKey = (run: string) => `${PREFIX}:run:${run}:shards`;
const RUNS = `${PREFIX}:runs`;

/**
 * Writes the record of a run that starts, or starts again. What is known of its shards is kept only if `keep` is set, because the pictures may
 * have changed since.
 */
export async function startRun(
  redis: Redis,
  { id, description, pictures }: Pick<Work, 'id' | 'description' | 'pictures'>,
  { detached = false, keep = false }: { detached?: boolean; keep?: boolean } = {},
): Promise<string> {
  const run = runOf({ id, description });
  const now = Date.now();
  const fields = {
    description: JSON.stringify(description),
    version,
    started: now,
    ...(pictures !== undefined && { total: pictures }),
  };
  const transaction = redis.multi();
  if (!keep) transaction.del(recordKey(run), shardsKey(run));
  transaction.hset(recordKey(run), fields).hdel(recordKey(run), 'cancelled', 'listed', 'finished');
  if (detached) transaction.hset(recordKey(run), 'detached', 1);
  else transaction.hdel(recordKey(run), 'detached');
  await transaction.zadd(RUNS, now, run).expire(recordKey(run), KEPT).exec();
  return run;
}

/** The record of a run, or undefined if Redis has none. */
export async function readRun(redis: Redis, run: string): Promise<RunRecord | undefined> {
  const found = await redis.hgetall(recordKey(run));
  if (found.description === undefined) return undefined;
  const number = (field: string) => Number(found[field] ?? 0);
  return {
    run,
    description: JSON.parse(found.description) as WorkDescription,
    version: found.version ?? '',
    started: number('started'),
    ...(found.total !== undefined && { total: number('total') }),
    listed: found.listed !== undefined,
    detached: found.detached !== undefined,
    cancelled: found.cancelled !== undefined,
    finished: found.finished !== undefined,
    pending: number('pending'),
    done: number('done'),
    kept: number('kept'),
    pictures: number('pictures'),
    failures: number('failures'),
    bytes: number('bytes'),
  };
}

/** All runs that Redis knows, the latest first. */
export async function readRuns(redis: Redis): Promise<RunRecord[]> {
  const names = await redis.zrevrange(RUNS, 0, -1);
  const records = await Promise.all(names.map((run) => readRun(redis, run)));
  const gone = names.filter((_, i) => !records[i]);
  if (gone.length > 0) await redis.zrem(RUNS, ...gone);
  return records.filter((record) => record !== undefined);
}

/** The run whose name begins with the given letters. Throws `DataError` `queue/no-run`. */
export async function findRun(redis: Redis, name: string): Promise<RunRecord> {
  const found = (await readRuns(redis)).filter(({ run }) => run.startsWith(name));
  if (found.length === 1) return found[0]!;
  throw new DataError(`${found.length === 0 ? 'No run has' : 'Several runs have'} the name ${name}`, {
    code: 'queue/no-run',
    hint: 'tip-adapter jobs redis://… lists the runs.',
    details: { name, runs: found.map(({ run }) => run) },
  });
}

export async function markRun(redis: Redis, run: string, field: 'listed' | 'cancelled'): Promise<void> {
  await redis.hset(recordKey(run), field, 1);
}

/** Marks the result of a run as made. Its figures are those of all shards, with the ones that an earlier start had done. */
export async function finishRun(
  redis: Redis,
  run: string,
  { pictures, failures }: Pick<RunSummary, 'pictures' | 'failures'>,
): Promise<void> {
  const key = recordKey(run);
  const fields = { finished: 1, kept: 0, pictures, failures };
  await redis.multi().hset(key, fields).expire(key, KEPT).exec();
}

/** Counts shards, and pictures in them, that an earlier start of the run had done. Their unreadable pictures are known from their results only. */
export async function countKept(redis: Redis, run: string, shards: number, pictures: number): Promise<void> {
  const key = recordKey(run);
  const counted = redis.multi().hincrby(key, 'done', shards).hincrby(key, 'pictures', pictures);
  await counted.hset(key, 'kept', shards).exec();
}

export async function isCancelled(redis: Redis, run: string): Promise<boolean> {
  return (await redis.hexists(recordKey(run), 'cancelled')) === 1;
}

/** Marks shards as pending. One that was done before leaves the sums, because it is done again. */
const ADD = `
for i = 1, #ARGV - 1 do
  local was = redis.call('HGET', KEYS[2], ARGV[i])
  if was ~= '' then
    if was then
      local pictures, failures, bytes = was:match('^(%d+) (%d+) (%d+)')
      redis.call('HINCRBY', KEYS[1], 'done', -1)
      redis.call('HINCRBY', KEYS[1], 'pictures', -tonumber(pictures))
      redis.call('HINCRBY', KEYS[1], 'failures', -tonumber(failures))
      redis.call('HINCRBY', KEYS[1], 'bytes', -tonumber(bytes))
    end
    redis.call('HSET', KEYS[2], ARGV[i], '')
    redis.call('HINCRBY', KEYS[1], 'pending', 1)
  end
end
redis.call('EXPIRE', KEYS[2], ARGV[#ARGV])
return redis.status_reply('OK')`;

export async function addPending(redis: Redis, run: string, shards: readonly Shard[]): Promise<void> {
  await redis.eval(ADD, 2, recordKey(run), shardsKey(run), ...shards.map(({ id }) => shortId(id)), KEPT);
}

/**
 * Counts a shard as done, once however often it was done. Returns whether all are done of a run whose producer has left and whose result is
 * not made: also for a shard that was counted before, because its worker may have died before it could tell.
 */
const DONE = `
local was = redis.call('HGET', KEYS[2], ARGV[1])
if not was then return 0 end
if was == '' then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
  redis.call('HINCRBY', KEYS[1], 'done', 1)
  redis.call('HINCRBY', KEYS[1], 'pending', -1)
  redis.call('HINCRBY', KEYS[1], 'pictures', ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'failures', ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'bytes', ARGV[4])
  redis.call('EXPIRE', KEYS[1], ARGV[5])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
return redis.call('HGET', KEYS[1], 'pending') == '0'
  and redis.call('HEXISTS', KEYS[1], 'listed') + redis.call('HEXISTS', KEYS[1], 'detached') == 2
  and redis.call('HEXISTS', KEYS[1], 'finished') == 0 and 1 or 0`;

export async function countDone(
  redis: Redis,
  run: string,
  shard: string,
  { pictures, failures, bytesRead }: ShardOutcome,
): Promise<boolean> {
  const counts = [pictures, failures, bytesRead];
  return (await redis.eval(DONE, 2, recordKey(run), shardsKey(run), shortId(shard), ...counts, KEPT)) === 1;
}

/** The states of shards in Redis, in their order: `pending`, the outcome, or undefined if Redis has lost them. */
export async function shardStates(
  redis: Redis,
  run: string,
  shards: readonly string[],
): Promise<('pending' | Pick<ShardOutcome, 'pictures' | 'failures'> | undefined)[]> {
  if (shards.length === 0) return [];
  const states = await redis.hmget(shardsKey(run), ...shards.map(shortId));
  return states.map((state) => {
    if (state === null) return undefined;
    if (state === '') return 'pending';
    const [pictures = 0, failures = 0] = state.split(' ').map(Number);
    return { pictures, failures };
  });
}
