import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError, ModelError, systemCode, throwIfAborted } from '../errors.ts';

/** The type of the web's `fetch`. */
export type Fetch = typeof globalThis.fetch;

/** Options of network requests. */
export interface NetworkOptions {
  signal?: AbortSignal;
  /** Replaces the built-in fetch, which obeys HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  fetch?: Fetch;
  /** Milliseconds before the first retry after a temporary failure; doubled for each further retry. Default 500. */
  retryDelay?: number;
}

/** Number of failures in a row after which a request is not repeated. */
export const MAX_FAILURES = 5;

const LONGEST_WAIT = 30_000;

/** Milliseconds without a byte after which a connection is closed. The next attempt continues the download. */
const SILENCE = 60_000;

/** Proxies, certificates and limits of connections, in place of those of the environment. */
export interface Route {
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
  /** Trusted certificates (PEM), in place of the built-in ones. */
  ca?: string[];
  /** If false, certificates are not checked. */
  rejectUnauthorized?: boolean;
  /** Time limit for making a connection, in milliseconds. Default 15,000. */
  timeout?: number;
  /** Time limit for the start of a response, which includes sending the request, in milliseconds. Default 60,000. */
  patience?: number;
}

let direct: Promise<Fetch> | undefined;

/** A fetch through the environment's proxies. It is loaded at the first use, because most runs need no network. */
export function proxyFetch(): Promise<Fetch> {
  direct ??= fetchBy({});
  return direct;
}

/** A fetch with the given proxies, certificates and limits. */
export async function fetchBy({
  ca,
  rejectUnauthorized,
  timeout = 15_000,
  patience = SILENCE,
  ...proxies
}: Route): Promise<Fetch> {
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const tls = { ...(ca && { ca }), ...(rejectUnauthorized === false && { rejectUnauthorized }) };
  const dispatcher = new EnvHttpProxyAgent({
    ...proxies,
    connect: { timeout, ...tls },
    requestTls: tls,
    proxyTls: tls,
    headersTimeout: patience,
    bodyTimeout: SILENCE,
  });
  const send = (input: string, init: object) => fetch(input, { ...init, dispatcher });
  return inTime(send as unknown as Fetch, patience);
}

/** The same fetch with a time limit, in milliseconds, for the start of the response: undici asks a proxy that hangs up again and again. */
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

/** Milliseconds to wait for the first response of a server that is not essential. */
const PATIENCE = 15_000;

/** The same fetch for requests that are not essential: after a first request without a response, the server is not asked again. */
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

/** Whether a request that failed with this status may succeed when repeated. */
export function isBusy(status: number): boolean {
  return [408, 425, 429, 500, 502, 503, 504].includes(status);
}

/** Whether a connection that failed in this way may succeed on the next attempt. */
export function isPassing(failure: unknown): boolean {
  return failure instanceof TypeError && !isLasting(rootCause(failure));
}

/** Whether a failure is permanent: an unknown host, a refused certificate or a malformed URL. */
function isLasting(cause: unknown): boolean {
  return /^(ENOTFOUND|ERR_INVALID_URL|.*CERT.*|ERR_TLS_.*|UND_ERR_INVALID_ARG)$/.test(
    systemCode(cause) ?? '',
  );
}

/** Waits before the next attempt: for the server's `Retry-After` (seconds) if given, else longer after each failure. */
export async function backOff(failures: number, options: NetworkOptions, response?: Response): Promise<void> {
  const asked = Number(response?.headers.get('retry-after')) * 1000;
  const own = (options.retryDelay ?? 500) * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
  const wait = Math.min(asked || own, LONGEST_WAIT);
  await sleep(wait, undefined, { signal: options.signal }).catch(() => throwIfAborted(options.signal));
}

/**
 * A fetch that retries temporary failures (a busy server, a broken connection) up to `MAX_FAILURES` times.
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

/** The error of a request without a response. */
export function unreachable(error: unknown, url: string): Error {
  if (error instanceof ModelError || error instanceof InterruptedError) return error;
  const { host } = new URL(url);
  return new ModelError(`${host} cannot be reached: ${reason(error)}`, {
    code: 'network/unreachable',
    hint:
      'Check the connection. Set a proxy in HTTPS_PROXY, a mirror of the hub in HF_ENDPOINT, ' +
      "and a mirror of the npm registry in npm's own settings.",
    details: { url, system: systemCode(rootCause(error)) },
    cause: error,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be looked up',
  ECONNREFUSED: 'it refuses the connection',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  UND_ERR_SOCKET: 'the connection was closed',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no network',
};

/** The reason of a failure in words, or the system's own message. */
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

/** The error of a response with a status from 400 on. `accessHint` is its hint if access is denied. */
export function refusal(
  { status, headers }: Pick<Response, 'status' | 'headers'>,
  url: string,
  accessHint: string,
): ModelError {
  const { host, pathname } = new URL(url);
  const details = { url, status };
  // Hugging Face's hub gives the reason in this header.
  if (headers.get('x-error-code') === 'GatedRepo') {
    return new ModelError(
      `${host} gives ${pathname} only to people who accepted the terms of its repository`,
      {
        code: 'network/gated',
        hint: "Accept the terms on the repository's page while you are logged in, and set HF_TOKEN to a token of that account.",
        details,
      },
    );
  }
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
