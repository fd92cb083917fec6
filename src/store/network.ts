import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError, ModelError, systemCode, throwIfAborted } from '../errors.ts';

/** The web's fetch, or a stand-in. */
export type Fetch = typeof globalThis.fetch;

/** How requests are made. */
export interface NetworkOptions {
  signal?: AbortSignal;
  /** In place of the built-in fetch, which goes through HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  fetch?: Fetch;
  /** Milliseconds before the first repetition of what failed for a moment; doubled each time. Default 500. */
  retryDelay?: number;
}

/** Failures in a row after which a request is given up. */
export const MAX_FAILURES = 5;

const LONGEST_WAIT = 30_000;

/** Milliseconds of silence after which a server is given up, and what came so far is continued. */
const SILENCE = 60_000;

/** What stands between this machine and a server, where it is not in the environment. */
export interface Route {
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
  /** Certificates (PEM) that are trusted in place of the built-in ones. */
  ca?: string[];
  /** False: certificates are not checked. */
  rejectUnauthorized?: boolean;
  /** Milliseconds for a connection to come about. Default 15,000. */
  timeout?: number;
}

let direct: Promise<Fetch> | undefined;

/** Fetch through the proxies that the environment names. Loaded at first use: most runs need no network. */
export function proxyFetch(): Promise<Fetch> {
  direct ??= fetchBy({});
  return direct;
}

/** Fetch by a route. */
export async function fetchBy({
  ca,
  rejectUnauthorized,
  timeout = 15_000,
  ...proxies
}: Route): Promise<Fetch> {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const tls = { ...(ca && { ca }), ...(rejectUnauthorized === false && { rejectUnauthorized }) };
  const dispatcher = new EnvHttpProxyAgent({
    ...proxies,
    connect: { timeout, ...tls },
    requestTls: tls,
    proxyTls: tls,
    headersTimeout: SILENCE,
    bodyTimeout: SILENCE,
  });
  const send = (input: string, init: object) => fetch(input, { ...init, dispatcher });
  return inTime(send as unknown as Fetch, SILENCE);
}

/** The same fetch, which gives up an answer that does not begin in time: undici asks a proxy that hangs up again without end. */
export function inTime(send: Fetch, limit: number): Fetch {
  return async (input, init) => {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new TypeError(`no answer in ${limit / 1000} s`)), limit);
    try {
      const signal = AbortSignal.any([late.signal, ...(init?.signal ? [init.signal] : [])]);
      return await send(input, { ...init, signal });
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Milliseconds after which those who can do without go on without the first answer. */
const PATIENCE = 15_000;

/** The same fetch, for those who can do without: a server that does not answer at first is not asked again. */
export function impatient(send: Fetch): Fetch {
  const first = inTime(send, PATIENCE);
  let answered = false;
  return async (input, init) => {
    try {
      const response = await (answered ? send : first)(input, init);
      answered = true;
      return response;
    } catch (error) {
      throw answered || init?.signal?.aborted ? error : unreachable(error, String(input));
    }
  };
}

/** Whether a server with this status may answer when asked again. */
export function isBusy(status: number): boolean {
  return [408, 425, 429, 500, 502, 503, 504].includes(status);
}

/** Whether a connection that failed so may stand on the next attempt. */
export function isPassing(failure: unknown): boolean {
  return failure instanceof TypeError && !isLasting(rootCause(failure));
}

/** Name unknown, certificate refused, address malformed: the same in a second. */
function isLasting(cause: unknown): boolean {
  return /^(ENOTFOUND|ERR_INVALID_URL|.*CERT.*|ERR_TLS_.*|UND_ERR_INVALID_ARG)$/.test(
    systemCode(cause) ?? '',
  );
}

/** Waits before the next attempt: as the server asked (`Retry-After`, seconds), else longer after each failure. */
export async function backOff(failures: number, options: NetworkOptions, response?: Response): Promise<void> {
  const asked = Number(response?.headers.get('retry-after')) * 1000;
  const own = (options.retryDelay ?? 500) * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
  const wait = Math.min(asked || own, LONGEST_WAIT);
  await sleep(wait, undefined, { signal: options.signal }).catch(() => throwIfAborted(options.signal));
}

/**
 * A fetch that repeats what fails for a moment (a busy server, a broken connection) up to `MAX_FAILURES` times.
 * Rejects with `InterruptedError` when aborted and with `ModelError` `network/unreachable` when there is no answer.
 */
export async function patientFetch(options: NetworkOptions): Promise<Fetch> {
  const send = options.fetch ?? (await proxyFetch());
  return async (input, init) => {
    for (let failures = 1; ; failures++) {
      try {
        const response = await send(input, { signal: options.signal, ...init });
        if (!isBusy(response.status) || failures === MAX_FAILURES) return response;
        await response.body?.cancel();
        await backOff(failures, options, response);
      } catch (error) {
        throwIfAborted(options.signal);
        if (!isPassing(error) || failures === MAX_FAILURES) throw unreachable(error, String(input));
        await backOff(failures, options);
      }
    }
  };
}

/** A request without an answer, in words. */
export function unreachable(error: unknown, url: string): Error {
  if (error instanceof ModelError || error instanceof InterruptedError) return error;
  const { host } = new URL(url);
  return new ModelError(`${host} cannot be reached: ${reason(error)}`, {
    code: 'network/unreachable',
    hint:
      'Check the connection. A proxy is taken from HTTPS_PROXY, a mirror of the hub from HF_ENDPOINT, ' +
      "a mirror of the npm registry from npm's own settings.",
    details: { url, system: systemCode(rootCause(error)) },
    cause: error,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its address is not known',
  EAI_AGAIN: 'its address could not be looked up',
  ECONNREFUSED: 'it refuses the connection',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  UND_ERR_SOCKET: 'the connection was closed',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no network',
};

/** What broke, in words; what has none as the system says it. */
export function reason(error: unknown): string {
  const cause = rootCause(error) as Error;
  const code = systemCode(cause);
  const known = code && REASONS[code];
  return known ? `${known} (${code})` : cause.message || code || cause.name;
}

function rootCause(error: unknown): unknown {
  const { cause, errors } = error as { cause?: unknown; errors?: unknown[] };
  if (errors?.length) return rootCause(errors[0]);
  return cause ? rootCause(cause) : error;
}

/** A refusal (any status from 400) in words. `accessHint` says how to show that one may read it. */
export function refusal(status: number, url: string, accessHint: string): ModelError {
  const { host, pathname } = new URL(url);
  const details = { url, status };
  if (status === 401 || status === 403) {
    return new ModelError(`${host} denies access to ${pathname} (status ${status})`, {
      code: 'network/denied',
      hint: accessHint,
      details,
    });
  }
  if (status === 404) {
    return new ModelError(`${host} has no ${pathname}`, {
      code: 'network/not-found',
      hint: 'Check the name and the revision or version.',
      details,
    });
  }
  return new ModelError(`${host} answered with status ${status} for ${pathname}`, {
    code: 'network/refused',
    hint: 'Try again later.',
    details,
  });
}
