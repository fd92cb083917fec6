import type { Failure } from '../failure.ts';
import type { RunRecord } from './run-record.ts';
import type { RunSummary, Shard, ShardOutcome } from './work.ts';

/** One start of a run. The pictures may have changed since an earlier one, which has the same name. */
export type RunStart = Pick<RunRecord, 'run' | 'started' | 'description'>;

/** The messages of a worker to its process: do a shard of a run, make the run's result, or stop. */
export type Task =
  | {
      readonly kind: 'shard';
      readonly run: RunStart;
      readonly shard: Shard;
    }
  | { readonly kind: 'finish'; readonly run: RunStart }
  | { readonly kind: 'stop' };

/** The answers of the process. */
export type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly pictures: number }
  | { readonly kind: 'shard'; readonly outcome: ShardOutcome }
  | { readonly kind: 'finish'; readonly summary: RunSummary }
  | { readonly kind: 'failure'; readonly error: Failure };
