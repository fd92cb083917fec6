/**
 * Every error that a person can cause or meet is a `TipAdapterError`: what went wrong, where, and what to do.
 * `code` is stable for programs, `hint` is the advice for people, and facts (paths, names, numbers) are fields in `details`.
 */
export interface ErrorOptions {
  /** Stable machine-readable name, e.g. `image/truncated`. */
  code: string;
  /** What the person can do about it. */
  hint?: string;
  /** Facts: paths, names, numbers. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** What every error of this package is: `code` for programs, `hint` for people, `details` for facts. */
export class TipAdapterError extends Error {
  /** Process exit status of the command line: 1 unexpected, 2 usage, 3 data, 4 model or encoder, 130 interrupted. */
  readonly exitCode: number = 1;
  readonly code: string;
  readonly hint?: string;
  readonly details: Record<string, unknown>;

  constructor(message: string, { code, hint, details = {}, cause }: ErrorOptions) {
    super(message, { cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = hint;
    this.details = details;
  }
}

/** The call itself is wrong: an unknown option, a value out of range, shapes that do not fit. */
export class UsageError extends TipAdapterError {
  override readonly exitCode = 2;
}

/** The data is wrong: an unreadable image, a missing class, an empty folder. */
export class DataError extends TipAdapterError {
  override readonly exitCode = 3;
}

/** The classifier file, the encoder or its download is wrong. */
export class ModelError extends TipAdapterError {
  override readonly exitCode = 4;
}

/** The person pressed Ctrl-C or an AbortSignal fired. What was finished is kept. */
export class InterruptedError extends TipAdapterError {
  override readonly exitCode = 130;
  constructor(message = 'Interrupted', options: Partial<ErrorOptions> = {}) {
    super(message, { code: 'interrupted', ...options });
  }
}

/** Where an error's code is explained; the anchor is the one of GitHub and of the site. */
export function errorLink(code: string): string {
  return `https://tip-adapter.github.io/tip-adapter/troubleshooting#${code.replaceAll('/', '')}`;
}

/** A message about one of several pictures or files, which names it once. */
export function messageAbout(name: string, message: string): string {
  return message.includes(name) ? message : `${name}: ${message}`;
}

/** The same error, its message naming the picture or file that it is about. */
export function errorAbout(name: string, error: Error): Error {
  if (!(error instanceof TipAdapterError) || error.message.includes(name)) return error;
  const Kind = error.constructor as typeof DataError;
  const { message, code, hint, details } = error;
  return new Kind(messageAbout(name, message), { code, hint, details, cause: error });
}

/** The error of a call that comes after `close`. `what` was closed: a classifier, an encoder, … */
export function closedError(what: string): UsageError {
  return new UsageError(`The ${what} was closed and cannot be used any more`, {
    code: `${what.replaceAll(' ', '-')}/closed`,
    hint: 'Call close() when all other calls are done.',
  });
}

/** Throws `InterruptedError` if the signal has fired. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new InterruptedError();
}

/** The system error code (`ENOENT`, …) of an unknown value, if it carries one. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
