import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';
import { DataError, TipAdapterError } from '../errors.ts';
import { checked } from '../server/parse.ts';
import { PROBLEM_TYPE, problem, Refusal } from '../server/problem.ts';
import { problemOf } from './status.ts';

export const MEGABYTE = 2 ** 20;
export const MOST_PICTURE = 64 * MEGABYTE;

/** The policy allows nothing from other origins, and no inline scripts or styles. Pictures of the camera and dropped ones are blobs. */
export const PAGE_POLICY = [
  '',
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
].join('; ');

const STATUSES: Readonly<Record<string, number>> = { 'studio/no-picture': 404, 'studio/too-large': 413 };

/** Answers with an error's problem details (RFC 9457). Unlike the server's, they may name files, because these are the person's own. */
export function tellProblem(error: Error, c: Context): Response {
  const { code, message, hint } = problemOf(error);
  const status =
    error instanceof Refusal
      ? error.status
      : !(error instanceof TipAdapterError)
        ? 500
        : code.startsWith('disk/')
          ? 507
          : (STATUSES[code] ?? 400);
  const details = problem(status, code, message, hint);
  return c.body(JSON.stringify(details), status as 400, { 'content-type': PROBLEM_TYPE });
}

export const limited = (maxSize: number) =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new DataError(`The request is larger than ${maxSize / MEGABYTE} MB`, {
        code: 'studio/too-large',
        hint: 'Add the pictures in smaller files.',
      });
    },
  });

export async function parsed<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  return checked(schema, await c.req.json().catch(() => undefined), 'The request');
}

export const bytes = (c: Context, body: Uint8Array, headers: Record<string, string>) =>
  c.body(body as Uint8Array<ArrayBuffer>, 200, headers);
