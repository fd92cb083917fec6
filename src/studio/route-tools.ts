import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';
import { DataError } from '../errors.ts';
import { checked } from '../server/parse.ts';

export const MEGABYTE = 2 ** 20;

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
