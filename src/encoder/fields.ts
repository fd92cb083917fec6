import type { z } from 'zod';
import { ModelError } from '../errors.ts';
import { faultOf } from '../options.ts';

export type Json = Readonly<Record<string, unknown>>;

/**
 * The known fields of a configuration. A schema gives the supported values of a field that the program uses. A text is the reason why a
 * field does not change embeddings. A table describes an object. Fields that are not in the table are refused, because their effect is
 * unknown.
 */
export interface Fields {
  readonly [name: string]: z.ZodType | string | Fields;
}

/** The values of the fields that have a schema. */
export type Values<F extends Fields> = {
  readonly [K in keyof F as F[K] extends string ? never : K]?: F[K] extends z.ZodType<infer V>
    ? V
    : F[K] extends Fields
      ? Values<F[K]>
      : never;
};

/** Fields that do not change embeddings, with their common reason. */
export function unused<const N extends string>(
  reason: string,
  names: readonly N[],
): Readonly<Record<N, string>> {
  return Object.fromEntries(names.map((name) => [name, reason])) as Record<N, string>;
}

/**
 * The values of a configuration's known fields. `null` counts as missing, because the programs that write these files use it so. Throws
 * `ModelError` that names the first unsupported field or value.
 */
export function readFields<F extends Fields>(
  json: unknown,
  fields: F,
  { file, hint }: { file: string; hint?: string },
  within = '',
): Values<F> {
  const refuse = (field: string, why: string): never => {
    throw new ModelError(`${file} cannot be used: ${within}${field} ${why}`, {
      code: 'encoder/field',
      hint,
      details: { file, field: `${within}${field}` },
    });
  };
  if (!isJson(json)) return refuse('', 'it is not a JSON object');
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    if (value === null || value === undefined) continue;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) refuse(name, `(${shown(value)}) is not supported`);
    else if (isSchema(field)) {
      const parsed = field.safeParse(value);
      if (!parsed.success) refuse(name, `cannot be ${shown(value)}: ${faultOf(parsed.error)}`);
      values[name] = parsed.data;
    } else if (typeof field !== 'string') {
      if (!isJson(value)) refuse(name, `cannot be ${shown(value)}: it must be an object`);
      values[name] = readFields(value, field, { file, hint }, `${within}${name}.`);
    }
  }
  return values as Values<F>;
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSchema(field: z.ZodType | string | Fields): field is z.ZodType {
  return typeof field === 'object' && 'safeParse' in field && typeof field.safeParse === 'function';
}

/** The beginning of a value's JSON text, for an error message. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
