import { z } from 'zod';
import { faultOf } from '../options.ts';
import { Refusal } from './problem.ts';

/** Marks that begin or part values in JSON, and how often each may come: far more often than in what is understood. */
const MARKS = ['[', '{', ','];
const MOST_MARKS = 20_000;

/** Refuses (413) what is made of so many values that reading it would keep everyone waiting; long texts are no trouble. */
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

/** A type of content without its parameters. */
export const mediaType = (contentType: string): string =>
  contentType.replace(/;.*/s, '').trim().toLowerCase();

/** Refuses (415) what does not say that it is JSON: pages of other sites may send everything else without being asked. */
export function checkJsonType(contentType: string): void {
  const type = mediaType(contentType);
  if (type === 'application/json') return;
  throw new Refusal(
    415,
    `The body has ${type ? `the content type ${type}` : 'no content type'}, and JSON is needed`,
    {
      code: 'server/type',
      hint: 'Send JSON with its content type; with curl: -H content-type:application/json.',
      details: { type },
    },
  );
}

/** Refuses (400) an address whose query is not percent-encoded UTF-8: what it means could only be guessed. */
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

/** A JSON body as its schema has it. Throws a `Refusal` (400) naming the field. */
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

/** The query of an address as its schema has it; what the schema has as a list may be repeated. */
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

/** Characters of a request that an answer repeats. */
const LONGEST_ECHO = 200;

/** A value as its schema has it. Throws a `Refusal` (400) that begins with `what` and names the field. */
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
