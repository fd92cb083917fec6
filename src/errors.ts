/**
 * Facts of a `TipAdapterError`. Every error that a person can cause is one, and says what went wrong, where, and what to do.
 */
export interface ErrorOptions {
  /** Machine-readable name that does not change between versions, e.g. `image/truncated`. */
  code: string;
  /** An instruction for the person, such as "Give another split." */
  hint?: string;
  /** Facts: paths, names, numbers. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** Base class of this package's errors: `code` is for programs, `hint` says what to do, `details` holds paths, names and numbers. */
export class TipAdapterError extends Error {
  /** The name of the class. It is written out, because bundlers shorten the names of classes. */
  override readonly name: string = 'TipAdapterError';
  /** Process exit status of the command line: 1 unexpected, 2 usage, 3 data, 4 model or encoder, 130 interrupted. */
  readonly exitCode: number = 1;
  readonly code: string;
  readonly hint?: string;
  readonly details: Record<string, unknown>;

  constructor(message: string, { code, hint, details = {}, cause }: ErrorOptions) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
    this.details = details;
  }
}

/** The call itself is wrong: an unknown option, a value out of range, shapes that do not fit. */
export class UsageError extends TipAdapterError {
  override readonly name: string = 'UsageError';
  override readonly exitCode = 2;
}

/** The data is wrong: an unreadable image, a missing class, an empty folder. */
export class DataError extends TipAdapterError {
  override readonly name: string = 'DataError';
  override readonly exitCode = 3;
}

/** The classifier file, the encoder or its download is wrong. */
export class ModelError extends TipAdapterError {
  override readonly name: string = 'ModelError';
  override readonly exitCode = 4;
}

/** The person pressed Ctrl-C, or an AbortSignal fired. Finished work is kept. */
export class InterruptedError extends TipAdapterError {
  override readonly name: string = 'InterruptedError';
  override readonly exitCode = 130;
  constructor(message = 'Interrupted', options: Partial<ErrorOptions> = {}) {
    super(message, { code: 'interrupted', ...options });
  }
}

/** URL of the explanation of an error code. The anchor is made as GitHub and the site make anchors of headings. */
export function errorLink(code: string): string {
  return `https://tip-adapter.github.io/tip-adapter/troubleshooting#${code.replaceAll('/', '')}`;
}

/** The message with the name of the picture or file in front, unless the message has it already. */
export function messageAbout(name: string, message: string): string {
  return message.includes(name) ? message : `${name}: ${message}`;
}

/** The same error, with the name of its picture or file in the message. */
export function errorAbout(name: string, error: Error): Error {
  if (!(error instanceof TipAdapterError) || error.message.includes(name)) return error;
  const Kind = error.constructor as typeof DataError;
  const { message, code, hint, details } = error;
  return new Kind(messageAbout(name, message), { code, hint, details, cause: error });
}

/** The error of a call after `close`; `what` names the closed object, e.g. `classifier`. */
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
