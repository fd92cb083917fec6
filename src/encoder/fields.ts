import * as z from 'zod/mini';
import { ModelError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { faultOf } from '../options.ts';

export type Json = Readonly<Record<string, unknown>>;

/**
 * The known fields of a configuration. A schema gives the supported values of a field that the program uses. A text is the reason why a
 * field does not change embeddings. A table describes an object. Fields that are not in the table are refused, because their effect is
 * unknown.
 */
export interface Fields {
  readonly [name: string]: z.core.$ZodType | string | Fields;
}

/** The values of the fields that have a schema. */
export type Values<F extends Fields> = {
  readonly [K in keyof F as F[K] extends string ? never : K]?: F[K] extends z.core.$ZodType<infer V>
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
      const parsed = z.safeParse(field, value);
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

/**
 * Limits of a configuration's JSON. A tokenizer of 256,000 pieces has two million values, one of 900,000 pieces has three million, and
 * neither nests deeper than ten.
 */
const BOUNDS = { depth: 32, values: 8_000_000 };

/**
 * The object in a JSON text. Throws `ModelError` if it holds none.
 *
 * @param where the name of the text in an error
 */
export function parseObject(text: string, where: string): Json {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ModelError(`${where} cannot be read: ${why}`, {
      code: 'encoder/json',
      hint: 'The file is damaged; get it again.',
      details: { path: where },
      cause,
    });
  };
  const value = parseJson(text, BOUNDS, refuse);
  return isJson(value) ? value : refuse('it is not a JSON object');
}

/** Folders with configuration files: the encoder's own, and those of the towers in Immich's exports. */
const PLACES = ['', 'visual/', 'textual/'];

/** The path of a configuration file among those of an encoder's folder. Undefined if it is not there. */
export function configurationPath(paths: Iterable<string>, name: string): string | undefined {
  const present = new Set(paths);
  return PLACES.map((place) => place + name).find((path) => present.has(path));
}

function isSchema(field: z.core.$ZodType | string | Fields): field is z.core.$ZodType {
  return typeof field === 'object' && '_zod' in field;
}

/** The beginning of a value's JSON text, for an error message. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
