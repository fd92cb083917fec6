import { z } from 'zod';
import { faultOf } from '../options.ts';
import { Refusal } from './problem.ts';

/** Characters that begin or separate values in JSON, and a limit for each, far above what a valid request has. */
const MARKS = ['[', '{', ','];
const MOST_MARKS = 20_000;

/** Refuses (413) a body whose number of values is so large that parsing it would block all other requests. Long texts are allowed. */
function checkMarks(body: Buffer): void {
  for (const mark of MARKS) {
    let marks = 0;
    for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + 1)) {
      if (++marks > MOST_MARKS) {
        throw new Refusal(413, 'The body has too many values', { code: 'server/too-many' });
      }
    }
  }
}

/** The media type of a content type, without parameters. */
export const mediaType = (contentType: string): string =>
  contentType.replace(/;.*/s, '').trim().toLowerCase();

/** Refuses (415) a body without the content type of JSON. Pages of other sites could send other types without a CORS preflight. */
export function checkJsonType(contentType: string): void {
  const type = mediaType(contentType);
  if (type === 'application/json') return;
  throw new Refusal(
    415,
    `The body has ${type ? `the content type ${type}` : 'no content type'}, but JSON is needed`,
    {
      code: 'server/type',
      hint: 'Send JSON with its content type; with curl: -H content-type:application/json.',
      details: { type },
    },
  );
}

/** Refuses (400) a URL whose query is not percent-encoded UTF-8, because its meaning is ambiguous. */
export function checkEncoding(address: string): void {
  const [, query = ''] = /\?(.*)/s.exec(address) ?? [];
  try {
    decodeURIComponent(query);
  } catch (cause) {
    throw new Refusal(400, 'The query is not percent-encoded UTF-8', {
      code: 'server/request',
      hint: 'For example: ?label=caf%C3%A9.',
      cause,
    });
  }
}

/** Parses a JSON body and checks it against a schema. Throws a `Refusal` (400) that names the field. */
export function parseJson<T>(schema: z.ZodType<T>, body: Buffer): T {
  checkMarks(body);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new Refusal(400, 'The body is not JSON', {
      code: 'server/json',
      hint: 'Send JSON in UTF-8.',
      cause,
    });
  }
  return checked(schema, value, 'The body');
}

/** Checks a query against a schema. Parameters that are lists in the schema may be repeated. Throws a `Refusal` (400). */
export function parseQuery<T>(schema: z.ZodObject & z.ZodType<T>, queries: Record<string, string[]>): T {
  const repeatable = (name: string) => schema.shape[name] instanceof z.ZodArray;
  const values = Object.entries(queries).map(([name, list]) => {
    if (!repeatable(name) && list.length > 1) {
      throw new Refusal(400, `The parameter ${name.slice(0, 64)} is given ${list.length} times`, {
        code: 'server/request',
        hint: 'Give it once.',
      });
    }
    return [name, repeatable(name) ? list : list[0]];
  });
  return checked(schema, Object.fromEntries(values), 'The query');
}

/** Largest number of characters of a request that an answer repeats. */
const LONGEST_ECHO = 200;

/** Checks a value against a schema, and returns it. Throws a `Refusal` (400) that begins with `what` and names the field. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const where = faultOf(result.error);
  throw new Refusal(
    400,
    `${what} is not valid: ${where.length > LONGEST_ECHO ? `${where.slice(0, LONGEST_ECHO)}…` : where}`,
    {
      code: 'server/request',
      hint: 'GET /openapi.json describes what is accepted.',
      details: { path: result.error.issues[0]!.path.join('.') },
    },
  );
}
