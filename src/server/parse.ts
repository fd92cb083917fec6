import { z } from 'zod';
import { Refusal } from './problem.ts';

/** Marks that begin or part values in JSON, and how often each may come: far more often than in what is understood. */
const MARKS = ['[', '{', ','];
const MOST_MARKS = 100_000;

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

/** A JSON body as its schema has it. Throws a `Refusal` (400) naming the field. */
export function parseJson<T>(schema: z.ZodType<T>, body: Buffer): T {
  checkMarks(body);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new Refusal(400, 'The body is not JSON', { code: 'server/json', cause });
  }
  return checked(schema, value, 'The body');
}

/** The query of an address as its schema has it; what the schema has as a list may be repeated. */
export function parseQuery<T>(schema: z.ZodObject & z.ZodType<T>, queries: Record<string, string[]>): T {
  const repeatable = (name: string) => schema.shape[name] instanceof z.ZodArray;
  const values = Object.entries(queries).map(([name, list]) => {
    if (!repeatable(name) && list.length > 1) {
      throw new Refusal(400, `The query's ${name.slice(0, 64)} is given ${list.length} times`, {
        code: 'server/request',
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
  const [{ path, message }] = result.error.issues;
  const where = [path.join('.'), message].filter(Boolean).join(': ');
  throw new Refusal(
    400,
    `${what} is not understood: ${where.length > LONGEST_ECHO ? `${where.slice(0, LONGEST_ECHO)}…` : where}`,
    {
      code: 'server/request',
      hint: 'GET /openapi.json says what is understood.',
      details: { path: path.join('.') },
    },
  );
}
