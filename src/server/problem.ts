import { STATUS_CODES } from 'node:http';
import {
  DataError,
  type ErrorOptions,
  InterruptedError,
  ModelError,
  TipAdapterError,
  UsageError,
} from '../errors.ts';

/** The error of a request that is refused; `status` is the HTTP status of the answer. */
export class Refusal extends UsageError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    { headers = {}, ...options }: ErrorOptions & { headers?: Record<string, string> },
  ) {
    super(message, options);
    this.status = status;
    this.headers = headers;
  }
}

/** Content type of problem details. */
export const PROBLEM_TYPE = 'application/problem+json';

/** Problem details (RFC 9457), with the error's code and hint beside the members that the RFC names. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint?: string;
}

/** Codes of data errors that are the server's fault. Clients do not get their messages, which name the server's files. */
const OWN_TROUBLE = /^(disk|store|network|encoder|classifier)\//;

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  'class/unknown': 404,
  'example/unknown': 404,
  'image/too-large': 413,
  'image/too-much-memory': 413,
};

/** The problem details of an error for the client. If the request is not at fault, they are only in the log, because they name paths of this machine. */
export function problemOf(error: unknown): Problem {
  const status = statusOf(error);
  if (status === 500 || !(error instanceof TipAdapterError)) {
    const code = error instanceof TipAdapterError ? error.code : 'unexpected';
    return problem(status, code, 'The server failed to answer', "Read the reason in the server's log.");
  }
  return problem(status, error.code, error.message, error.hint);
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  if (error instanceof InterruptedError) return 503;
  if (!(error instanceof TipAdapterError) || error instanceof ModelError) return 500;
  if (OWN_TROUBLE.test(error.code)) return 500;
  const known = STATUS_OF_CODE[error.code];
  if (known) return known;
  if (error instanceof DataError) return 422;
  return error instanceof UsageError ? 400 : 500;
}

export function problem(status: number, code: string, detail: string, hint?: string): Problem {
  return {
    type: `urn:tip-adapter:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code,
    hint,
  };
}
