import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';
import { UsageError } from '../errors.ts';
import { count } from '../words.ts';
import { Refusal } from './problem.ts';

/** Nothing is guessed, framed or told to other sites. */
const HEADERS: Readonly<Record<string, string>> = {
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** What no page may do, whatever else it may. */
const POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Puts a content security policy on every answer, nothing allowed but by `policy`, and the headers that go with it. */
export function answerHeaders(
  policy: string,
  further: Readonly<Record<string, string>> = {},
): MiddlewareHandler {
  const all = Object.entries({ ...HEADERS, 'content-security-policy': POLICY + policy, ...further });
  return async (c, next) => {
    await next();
    for (const [name, value] of all) c.header(name, value);
  };
}

const SHORTEST_TOKEN = 16;

/** Throws `UsageError` for a token that can be guessed, and where others than this machine could ask without one. */
export function checkExposure(host: string, token?: string): void {
  const hint = 'For example: TIP_ADAPTER_TOKEN=$(openssl rand -hex 32) tip-adapter serve …';
  if (token !== undefined && token.length < SHORTEST_TOKEN) {
    throw new UsageError(
      `The token has ${count(token.length, 'character')}, and at least ${SHORTEST_TOKEN} are needed`,
      {
        code: 'server/weak-token',
        hint,
      },
    );
  }
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new UsageError('The token has characters other than ASCII letters, digits and signs', {
      code: 'server/weak-token',
      hint,
    });
  }
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(`The server needs a token, because other machines can reach it at ${host}`, {
      code: 'server/token',
      hint,
      details: { host },
    });
  }
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/**
 * Refuses a foreign name in `Host` (421). DNS rebinding, where a page's own name leads here, needs a name: addresses and
 * `localhost` cannot be rebound, every other name must be allowed.
 */
export function hostGuard(allowed: readonly string[]): MiddlewareHandler {
  const names = new Set(['localhost', ...allowed.map((name) => name.toLowerCase())]);
  return async (c, next) => {
    const host = c.req.header('host') ?? '';
    const name = host.replace(/:\d+$/, '').toLowerCase();
    const isAddress = isIP(name) === 4 || isIP(name.replace(/^\[(.*)\]$/, '$1')) === 6;
    if (!isAddress && !names.has(name)) {
      throw new Refusal(421, 'The request names another host than this server', {
        code: 'server/host',
        hint: 'Start the server with --allow-host <name>.',
      });
    }
    await next();
  };
}

/** Refuses pages of other sites (403), which a browser names in `Origin` or `Sec-Fetch-Site`; `allowed` may hold `*`. */
export function originGuard(allowed: readonly string[]): MiddlewareHandler {
  const isAllowed = (origin: string) => allowed.includes('*') || allowed.includes(origin);
  return async (c, next) => {
    const host = c.req.header('host') ?? '';
    const origin = c.req.header('origin');
    const site = c.req.header('sec-fetch-site') ?? 'none';
    const isOwn =
      origin === undefined
        ? site === 'none' || site === 'same-origin'
        : origin === `http://${host}` || origin === `https://${host}` || isAllowed(origin);
    if (!isOwn) {
      throw new Refusal(403, 'Pages of other sites may not send requests', {
        code: 'server/origin',
        hint: 'Start the server with --cors <origin>.',
      });
    }
    await next();
  };
}

/** Asks for `Authorization: Bearer <token>` (401). How long the comparison takes says nothing about the token. */
export function tokenGuard(token: string): MiddlewareHandler {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return async (c, next) => {
    const [, given = ''] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? [];
    if (!timingSafeEqual(digest(given), expected)) {
      throw new Refusal(401, given ? 'The token is wrong' : 'A token is needed', {
        code: 'server/token',
        hint: 'Send the header Authorization: Bearer <token>.',
        headers: { 'www-authenticate': 'Bearer realm="tip-adapter"' },
      });
    }
    await next();
  };
}
