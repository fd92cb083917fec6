import { throwIfAborted } from '../errors.ts';
import { traced } from '../tracing.ts';
import type { Queue, RunProgress } from './work.ts';

/** Does the shards of a run in this process, one after the other. The first error of a shard ends the run. */
export const localQueue: Queue = {
  run: (work, options) =>
    traced('job', { 'tip_adapter.run': work.id, 'tip_adapter.work': work.description.kind }, () =>
      runHere(work, options),
    ),
};

const runHere: Queue['run'] = async (work, { signal, onProgress } = {}) => {
  const finished = await work.finished({ signal });
  let shards = 0;
  let kept = 0;
  let pictures = 0;
  let failures = 0;
  const tell = (now: string, more = 0) => {
    const progress: RunProgress = { shards, kept, pictures: pictures + more, failures, now };
    onProgress?.(work.pictures === undefined ? progress : { ...progress, total: work.pictures });
  };
  for await (const shard of work.shards({ signal })) {
    throwIfAborted(signal);
    if (finished.has(work.resultKey(shard))) {
      kept++;
      pictures += shard.pictures ?? 0;
    } else {
      tell(shard.name);
      const outcome = await traced('shard', { 'tip_adapter.shard': shard.id }, () =>
        work.run(shard, { signal, onProgress: (more) => tell(shard.name, more) }),
      );
      pictures += outcome.pictures;
      failures += outcome.failures;
    }
    shards++;
    tell(shard.name);
  }
};
