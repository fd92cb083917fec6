import { DataError, InterruptedError, ModelError, TipAdapterError, UsageError } from './errors.ts';

/** An error as a message between threads or processes can hold it. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
  readonly details?: Record<string, unknown>;
}

const CLASSES = { UsageError, DataError, ModelError, InterruptedError };

/** The message of an error. */
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
