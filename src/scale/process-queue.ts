import { closable } from '../closable.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { runOf } from './run-record.ts';
import { type SetAside, setAsideError } from './set-aside.ts';
import { ShardProcess, type ShardProgram } from './shard-process.ts';
import type { Queue, RunProgress, Shard } from './work.ts';

/**
 * Has processes of this machine do the shards of a run, as many at once. A shard that ends its process is set aside, as workers on Redis do it;
 * any other error of a shard ends the run.
 */
export function openProcessQueue(
  program: ShardProgram,
  processes: number,
): Queue & AsyncDisposable & { close(): Promise<void> } {
  const all = Array.from({ length: processes }, () => new ShardProcess(program));
  const close = async () => {
    for (const each of all) each.close();
  };
  const run: Queue['run'] = async (work, { signal, onProgress } = {}) => {
    const finished = await work.finished({ signal });
    const start = { run: runOf(work), started: Date.now(), description: work.description };
    const setAside: SetAside[] = [];
    const failed = new AbortController();
    const stop = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
    const sums = { shards: 0, kept: 0, pictures: 0, failures: 0 };
    const tell = (now: string) => {
      const progress: RunProgress = { ...sums, now };
      onProgress?.(work.pictures === undefined ? progress : { ...progress, total: work.pictures });
    };
    const shards = work.shards({ signal })[Symbol.asyncIterator]();
    async function doOne(own: ShardProcess, shard: Shard): Promise<void> {
      if (finished.has(work.resultKey(shard))) {
        sums.kept++;
        sums.pictures += shard.pictures ?? 0;
        return;
      }
      tell(shard.name);
      const answer = await own.do({ kind: 'shard', run: start, shard }, { signal: stop }).catch((error) => {
        if (!(error instanceof DataError) || error.code !== 'worker/died') throw error;
        setAside.push({ name: shard.name, reason: error.message });
      });
      if (answer?.kind !== 'shard') return;
      sums.pictures += answer.outcome.pictures;
      sums.failures += answer.outcome.failures;
    }
    const lane = async (own: ShardProcess): Promise<void> => {
      for (let next = await shards.next(); !next.done; next = await shards.next()) {
        await doOne(own, next.value);
        sums.shards++;
        tell(next.value.name);
      }
    };
    try {
      await Promise.all(all.map(lane));
    } catch (error) {
      failed.abort();
      await close();
      throwIfAborted(signal);
      throw error;
    }
    if (setAside.length > 0) throw setAsideError(setAside, sums.shards);
  };
  return closable({ run, close });
}
