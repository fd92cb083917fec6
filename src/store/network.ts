import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError, ModelError, systemCode, throwIfAborted } from '../errors.ts';

/** The web's fetch, or a stand-in. */
export type Fetch = typeof globalThis.fetch;

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

let proxied: Fetch | undefined;

/** Fetch through the proxies that the environment names. Loaded at first use: most runs need no network. */
export async function proxyFetch(): Promise<Fetch> {
  if (!proxied) {
    const { EnvHttpProxyAgent, fetch } = await import('undici');
    // A silent server is given up after a minute, and what came so far is continued.
    const dispatcher = new EnvHttpProxyAgent({
      connect: { timeout: 15_000 },
      headersTimeout: 60_000,
      bodyTimeout: 60_000,
    });
    proxied = ((input: string, init: object) => fetch(input, { ...init, dispatcher })) as unknown as Fetch;
  }
  return proxied;
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
  return new ModelError(`No answer from ${host}: ${reason(error)}`, {
    code: 'network/unreachable',
    hint:
      'Check the connection. A proxy is taken from HTTPS_PROXY, a mirror of the hub from HF_ENDPOINT, ' +
      "a mirror of the npm registry from npm's own settings.",
    details: { url, system: systemCode(rootCause(error)) },
    cause: error,
  });
}

/** What broke, as the system says it. */
export function reason(error: unknown): string {
  const cause = rootCause(error) as Error;
  return cause.message || systemCode(cause) || cause.name;
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
    return new ModelError(`${host} does not let us read ${pathname} (${status})`, {
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
  return new ModelError(`${host} answers ${status} to ${pathname}`, {
    code: 'network/refused',
    hint: 'Try again later.',
    details,
  });
}
