import type { z } from 'zod';
import { ModelError } from '../errors.ts';
import { faultOf } from '../options.ts';

export type Json = Readonly<Record<string, unknown>>;

/**
 * What is known of a configuration's fields. A schema: the program follows the field, and takes these values. A text: the field
 * changes no number, and why. A table: the field is an object. A field that is in no table is refused, for nobody knows what it
 * changes.
 */
export interface Fields {
  readonly [name: string]: z.ZodType | string | Fields;
}

/** The values of the fields that are followed. */
export type Values<F extends Fields> = {
  readonly [K in keyof F as F[K] extends string ? never : K]?: F[K] extends z.ZodType<infer V>
    ? V
    : F[K] extends Fields
      ? Values<F[K]>
      : never;
};

/** Fields that change no number for one reason. */
export function unused<const N extends string>(
  reason: string,
  names: readonly N[],
): Readonly<Record<N, string>> {
  return Object.fromEntries(names.map((name) => [name, reason])) as Record<N, string>;
}

/**
 * The values of a configuration's known fields. `null` is a field that is left out, as the programs write it that make these
 * files. Throws `ModelError` naming the first field, or value, that is not understood.
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

/** Enough of a value to recognise it. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
