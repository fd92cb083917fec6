import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';
import { UsageError } from '../errors.ts';
import { count } from '../words.ts';
import { Refusal } from './problem.ts';

/** Headers against guessing content types, framing, and sending the URL to other sites. */
const HEADERS: Readonly<Record<string, string>> = {
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** The policy that every page has, beside its own permissions. */
const POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Adds security headers to every answer, with a content security policy that allows only what `policy` allows. */
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

/** Throws `UsageError` for a token that can be guessed, and if other machines could send requests without a token. */
export function checkExposure(host: string, token?: string): void {
  const hint = 'For example: TIP_ADAPTER_TOKEN=$(openssl rand -hex 32) tip-adapter serve …';
  if (token !== undefined && token.length < SHORTEST_TOKEN) {
    throw new UsageError(
      `The token has ${count(token.length, 'character')}, but at least ${SHORTEST_TOKEN} are needed`,
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
 * Refuses foreign names in the header `Host` (421), against DNS rebinding, in which the host name of a page resolves to this server.
 * IP addresses and `localhost` cannot be rebound; every other name must be allowed.
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

/** Refuses requests from pages of other sites (403), by the browser's headers `Origin` and `Sec-Fetch-Site`. `allowed` may contain `*`. */
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

/** Requires the header `Authorization: Bearer <token>` (401). The comparison takes constant time, so it reveals nothing about the token. */
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
