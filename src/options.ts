import { z } from 'zod';
import { currentNames, type Former, flagName } from './deprecation.ts';
import { UsageError } from './errors.ts';
import { suggestion } from './nearest.ts';
import { count, plural } from './words.ts';

/**
 * Options are written once, as data. From one table come the checks (zod), the command line's flags and help, and the
 * reference pages; so a flag can never say one thing and do another.
 */
export interface Option<T = unknown> {
  readonly schema: z.ZodType<T>;
  /** One sentence in plain words. */
  readonly help: string;
  readonly default?: T;
  /** What stands for the value in help: `<n>`, `<file>`. Flags without a value have none. */
  readonly value?: string;
  /** One-letter form on the command line. */
  readonly short?: string;
  readonly choices?: readonly string[];
  /** The value is the id of one of these or, for a `<list>`, several ids: completions know them. */
  readonly names?: 'encoders' | 'methods';
  /** A flag that is on where it is not given, though no default says so: it is typed to turn it off. */
  readonly isOn?: boolean;
  /** Taken, but not listed in help. */
  readonly hidden?: boolean;
  /** May be given several times; the values become an array. */
  readonly repeatable?: boolean;
  /** The name that it had before, which still works. */
  readonly formerly?: Former;
}

/** Options by name. */
export type Options = Readonly<Record<string, Option>>;

/** The checked values of a table of options. */
export type ValuesOf<T extends Options> = { [K in keyof T]: T[K] extends Option<infer V> ? V : never };

/** What is said of an option, whatever its type. */
export interface OptionFacts<T> {
  help: string;
  default?: T;
  short?: string;
  value?: string;
  names?: Option['names'];
  formerly?: Former;
}

/** Text from the command line becomes a number here; anything else is refused. */
const numeric = (schema: z.ZodNumber) =>
  z.preprocess(
    (v) => (typeof v === 'string' && Number.isFinite(Number.parseFloat(v)) ? Number(v) : v),
    schema,
  );

/** An option that is a number from `min` to `max`. */
export function real(given: OptionFacts<number> & { min?: number; max?: number }): Option<number> {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = given;
  return { value: '<number>', ...given, schema: numeric(z.number().min(min).max(max)) as z.ZodType<number> };
}

/** An option that is a number above 0, at most `max`. */
export function positive(given: OptionFacts<number> & { max?: number }): Option<number> {
  const { max = Number.MAX_VALUE } = given;
  return {
    value: '<number>',
    ...given,
    schema: numeric(z.number().positive().max(max)) as z.ZodType<number>,
  };
}

/** An option that is a whole number from `min` (default 0) to `max`. */
export function integer(given: OptionFacts<number> & { min?: number; max?: number }): Option<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = given;
  return { value: '<n>', ...given, schema: numeric(z.number().int().min(min).max(max)) as z.ZodType<number> };
}

/** An option that is text, not empty. */
export function text(given: OptionFacts<string>): Option<string> {
  return { value: '<text>', ...given, schema: z.string().min(1) };
}

/** An option that is a list of texts; on the command line it is given several times. */
export function texts(given: OptionFacts<string[]>): Option<string[]> {
  return { value: '<text>', ...given, schema: z.array(z.string().min(1)), repeatable: true };
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
    schema: z.enum(choices as [C, ...C[]]) as z.ZodType<C>,
  };
}

/** The name of something that is listed in help, and to which a program can add: whoever uses it refuses unknown ones. */
export function nameOf(listed: readonly string[], given: OptionFacts<string>): Option<string> {
  return { ...text(given), choices: listed };
}

/** The same option, which may be left out. */
export function optional<T>(option: Option<T>): Option<T | undefined> {
  return { ...option, schema: option.schema.optional() };
}

/** Throws `UsageError` for a name that is none of the known ones: an option that is misspelt would change nothing. */
export function refuseUnknown(given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(`There is no option ${unknown}`, {
    code: 'option/unknown',
    hint: `${suggestion(unknown, known)}Known are ${known.join(', ')}.`,
    details: { option: unknown },
  });
}

/** Values with defaults filled in and everything checked. Throws `UsageError` naming the option. */
export function resolveOptions<T extends Options>(
  table: T,
  values: Readonly<Record<string, unknown>>,
): ValuesOf<T> {
  const given = currentNames(table, values);
  const entries = Object.entries(table).map(([name, option]) => {
    const value = given[name] ?? option.default;
    const result = option.schema.safeParse(value);
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

/** What is wrong with a value, and where in it: `classes.0: it must be text`. Of several faults the first. */
export function faultOf(error: z.ZodError): string {
  const issue = error.issues[0]!;
  return [issue.path.join('.'), requirement(issue)].filter(Boolean).join(': ');
}

/** What a value must be, in words: a schema's own message is for programmers. */
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

/** What the size of a value counts; a number is its own. */
const SIZES: Readonly<Record<string, readonly [one: string, many: string]>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
};

const sizeOf = (origin: string) => (origin in SIZES ? 'have ' : 'be ');

const limit = (origin: string, size: number | bigint) => {
  const words = SIZES[origin];
  return words ? count(Number(size), ...words) : String(size);
};
