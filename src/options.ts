import * as z from 'zod/mini';
import { currentNames, type Former, flagName } from './deprecation.ts';
import { UsageError } from './errors.ts';
import { suggestion } from './nearest.ts';
import { count, plural } from './words.ts';

/**
 * An option, described as data. The checks (zod), the command line's flags and help, and the reference pages are all made from one
 * table of options, so that they agree.
 */
export interface Option<T = unknown> {
  readonly schema: z.core.$ZodType<T>;
  /** What the value does, in one sentence. */
  readonly help: string;
  readonly default?: T;
  /** Placeholder of the value in help: `<n>`, `<file>`. A flag without a value has none. */
  readonly value?: string;
  /** One-letter name on the command line. */
  readonly short?: string;
  readonly choices?: readonly string[];
  /** The value is an id from this list, or several ids if it is a `<list>`. Completions offer them. */
  readonly names?: 'encoders' | 'methods';
  /** The flag is on if it is not given, although the schema has no default. The command line offers `--no-…`. */
  readonly isOn?: boolean;
  /** The option is accepted, but not listed in help. */
  readonly hidden?: boolean;
  /** The option may be given several times. The values become an array. */
  readonly repeatable?: boolean;
  /** The former name, which still works. */
  readonly formerly?: Former;
}

/** Options by name. */
export type Options = Readonly<Record<string, Option>>;

/** The checked values of a table of options. */
export type ValuesOf<T extends Options> = { [K in keyof T]: T[K] extends Option<infer V> ? V : never };

/** Facts of an option that do not depend on its type. */
export interface OptionFacts<T> {
  help: string;
  default?: T;
  short?: string;
  value?: string;
  names?: Option['names'];
  formerly?: Former;
}

/** Converts text from the command line to a number, and refuses any other text. */
const numeric = (...checks: z.core.$ZodCheck<number>[]): z.core.$ZodType<number> =>
  z.pipe(
    z.transform((v) => (typeof v === 'string' && Number.isFinite(Number.parseFloat(v)) ? Number(v) : v)),
    z.number().check(...checks),
  );

/** An option that is a number from `min` to `max`. */
export function real(given: OptionFacts<number> & { min?: number; max?: number }): Option<number> {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = given;
  return { value: '<number>', ...given, schema: numeric(z.gte(min), z.lte(max)) };
}

/** An option that is a number above 0, at most `max`. */
export function positive(given: OptionFacts<number> & { max?: number }): Option<number> {
  const { max = Number.MAX_VALUE } = given;
  return {
    value: '<number>',
    ...given,
    schema: numeric(z.positive(), z.lte(max)),
  };
}

/** An option that is a whole number from `min` (default 0) to `max`. */
export function integer(given: OptionFacts<number> & { min?: number; max?: number }): Option<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = given;
  return { value: '<n>', ...given, schema: numeric(z.int(), z.gte(min), z.lte(max)) };
}

/** An option that is text, not empty. */
export function text(given: OptionFacts<string>): Option<string> {
  return { value: '<text>', ...given, schema: z.string().check(z.minLength(1)) };
}

/** An option that is a list of texts. The command line takes one text each time it is given. */
export function texts(given: OptionFacts<string[]>): Option<string[]> {
  return { value: '<text>', ...given, schema: z.array(z.string().check(z.minLength(1))), repeatable: true };
}

/** An option that is on or off (default: off). */
export function flag(given: OptionFacts<boolean>): Option<boolean> {
  return { default: false, ...given, schema: z.boolean() };
}

/** An option that is one of a few words. */
export function choice<const C extends string>(
  choices: readonly C[],
  given: OptionFacts<NoInfer<C>>,
): Option<C> {
  return {
    value: `<${choices.join('|')}>`,
    ...given,
    choices,
    schema: z.enum(choices as [C, ...C[]]) as z.core.$ZodType<C>,
  };
}

/** An option that is a number above 0, or one of a few words that name a rule for finding it. */
export function positiveOr<const C extends string>(
  words: readonly C[],
  given: OptionFacts<number | NoInfer<C>>,
): Option<number | C> {
  const number = numeric(z.positive());
  const message = `it must be a number above 0, or one of ${words.join(', ')}`;
  const schema = z.union([number, z.enum(words as [C, ...C[]])], { error: message }) as z.core.$ZodType<
    number | C
  >;
  return { value: `<number|${words.join('|')}>`, ...given, schema };
}

/** An option that is a number from `min` to `max`, or one of a few words that name a rule for finding it. */
export function realOr<const C extends string>(
  words: readonly C[],
  { min, max, ...given }: OptionFacts<number | NoInfer<C>> & { min: number; max: number },
): Option<number | C> {
  const number = numeric(z.gte(min), z.lte(max));
  const message = `it must be a number from ${min} to ${max}, or one of ${words.join(', ')}`;
  const schema = z.union([number, z.enum(words as [C, ...C[]])], { error: message }) as z.core.$ZodType<
    number | C
  >;
  return { value: `<number|${words.join('|')}>`, ...given, schema };
}

/** An option that is a name. Help lists the known names, but a program can register more, so the code that uses the name refuses unknown ones. */
export function nameOf(listed: readonly string[], given: OptionFacts<string>): Option<string> {
  return { ...text(given), choices: listed };
}

/** The same option, but undefined if it is not given. */
export function optional<T>(option: Option<T>): Option<T | undefined> {
  return { ...option, schema: z.optional(option.schema) };
}

/** Throws `UsageError` if an option has an unknown name. Otherwise a misspelt option would have no effect. */
export function refuseUnknown(given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(`There is no option ${unknown}`, {
    code: 'option/unknown',
    hint: `${suggestion(unknown, known)}The options are ${known.join(', ')}.`,
    details: { option: unknown },
  });
}

/** The checked value of an option, or the fault that it has. */
export function checkValue<T>({ schema }: Option<T>, value: unknown) {
  return z.safeParse(schema, value);
}

/** The checked values, with defaults for options that are not given. Throws `UsageError` that names the option. */
export function resolveOptions<T extends Options>(
  table: T,
  values: Readonly<Record<string, unknown>>,
): ValuesOf<T> {
  const given = currentNames(table, values);
  const entries = Object.entries(table).map(([name, option]) => {
    const value = given[name] ?? option.default;
    const result = checkValue(option, value);
    if (result.success) return [name, result.data];
    const shown = value === undefined ? 'is missing' : `cannot be ${JSON.stringify(value)}`;
    throw new UsageError(`Option ${flagName(name)} ${shown}: ${faultOf(result.error)}`, {
      code: 'option/value',
      hint: option.help,
      details: { option: name, value },
    });
  });
  return Object.fromEntries(entries) as ValuesOf<T>;
}

/** The first fault of a value, with its place: `classes.0: it must be text`. */
export function faultOf(error: z.core.$ZodError): string {
  const issue = error.issues[0]!;
  return [issue.path.join('.'), requirement(issue)].filter(Boolean).join(': ');
}

/** The requirement that a value fails, in words for users. zod's own messages are for programmers. */
function requirement(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      if (issue.minimum === 1 && issue.origin in SIZES) return 'it must not be empty';
      return `it must ${sizeOf(issue.origin)}${issue.inclusive ? 'at least' : 'more than'} ${limit(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `it must ${sizeOf(issue.origin)}${issue.inclusive ? 'at most' : 'less than'} ${limit(issue.origin, issue.maximum)}`;
    case 'invalid_value':
      return `it must be one of ${issue.values.join(', ')}`;
    case 'invalid_type':
      return `it must be ${KINDS[issue.expected] ?? `of type ${issue.expected}`}`;
    case 'unrecognized_keys':
      return `it has the unknown ${plural(issue.keys.length, 'field')} ${issue.keys.join(', ')}`;
    default:
      return issue.message;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** The units in which the size of a value is counted. A number has no unit, because its size is its value. */
const SIZES: Readonly<Record<string, readonly [one: string, many: string]>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
};

const sizeOf = (origin: string) => (origin in SIZES ? 'have ' : 'be ');

const limit = (origin: string, size: number | bigint) => {
  const words = SIZES[origin];
  return words ? count(Number(size), ...words) : String(size);
};
