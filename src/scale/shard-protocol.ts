import { DataError, InterruptedError, ModelError, TipAdapterError, UsageError } from '../errors.ts';
import type { RunRecord } from './run-record.ts';
import type { RunSummary, Shard, ShardOutcome } from './work.ts';

/** One start of a run. The pictures may have changed since an earlier one, which has the same name. */
export type RunStart = Pick<RunRecord, 'run' | 'started' | 'description'>;

/** What a worker has its process do: a shard of a run, or the run's result, or to stop what it does. */
export type Task =
  | {
      readonly kind: 'shard';
      readonly run: RunStart;
      readonly shard: Shard;
    }
  | { readonly kind: 'finish'; readonly run: RunStart }
  | { readonly kind: 'stop' };

/** What the process answers. */
export type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly pictures: number }
  | { readonly kind: 'shard'; readonly outcome: ShardOutcome }
  | { readonly kind: 'finish'; readonly summary: RunSummary }
  | { readonly kind: 'failure'; readonly error: Failure };

interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
  readonly details?: Record<string, unknown>;
}

const CLASSES = { UsageError, DataError, ModelError, InterruptedError };

/** An error as a message can hold it. */
export function failureOf(error: unknown): Failure {
  const { name, message } = error as Error;
  if (!(error instanceof TipAdapterError)) return { name, message };
  const { code, hint, details } = error;
  // Details may have values that a message cannot hold.
  return { name, message, code, hint, details: JSON.parse(JSON.stringify(details)) };
}

/** The error of a message. */
export function errorOf({ name, message, code, hint, details }: Failure): Error {
  if (code === undefined) return Object.assign(new Error(message), { name });
  const Kind = CLASSES[name as keyof typeof CLASSES] ?? TipAdapterError;
  return new Kind(message, { code, hint, details });
}
