import { isAbsolute, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { flagName } from '../deprecation.ts';
import { encoderOption } from '../encoder/encoder-option.ts';
import { UsageError } from '../errors.ts';
import { nearestName } from '../nearest.ts';
import { checkValue, faultOf, flag, type Option, type Options, text } from '../options.ts';
import { commonOptions, engineOptions } from './command.ts';
import type { ConfigFile } from './config-file.ts';

/** Options that a config can give for all commands. Modules are not among them, because a config must not run code. */
export const sharedOptions = {
  encoder: encoderOption,
  ...engineOptions,
  quiet: commonOptions.quiet,
  verbose: commonOptions.verbose,
} as const;

/** Fields of a config that are not options. */
export const settings = {
  $schema: text({ help: 'The address of the JSON Schema, for editors.' }),
  updates: flag({
    help: 'Ask the npm registry for a newer version, at most once a day, and print a note about it.',
  }),
} as const;

/** The values of a config for one command. */
export interface Configured {
  /** Checked values by option. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The field of each value: `fit.shots`. */
  readonly fields: Readonly<Record<string, string>>;
  /** Whether to look for newer versions. */
  readonly updates: boolean;
}

/**
 * The values of a config for a command, checked against the command's options. Sections of other commands are checked when these
 * commands run. Throws `UsageError` `config/…` that names file and field.
 */
export function configured(
  file: ConfigFile,
  command: string,
  { table, commands }: { table: Options; commands: readonly string[] },
): Configured {
  const whole = objectIn(file, file.value, '');
  const top: Options = { ...settings, ...sharedOptions, import: commonOptions.import };
  const values: Record<string, unknown> = {};
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(whole)) {
    if (commands.includes(name)) continue;
    const checked = checkedValue(
      file,
      name,
      value,
      top[name] ?? unknown(file, name, [...Object.keys(top), ...commands]),
    );
    if (name in settings || !(name in table)) continue;
    values[name] = checked;
    fields[name] = name;
  }
  const own = whole[command] === undefined ? {} : objectIn(file, whole[command], command);
  for (const [name, value] of Object.entries(own)) {
    const field = `${command}.${name}`;
    values[name] = checkedValue(file, field, value, table[name] ?? unknown(file, field, Object.keys(table)));
    fields[name] = field;
  }
  return { values, fields, updates: whole.updates === true };
}

/** The texts of a command's section as command-line words, for options that decide the command's table of options. */
export function wordsOf({ value }: ConfigFile, command: string): string[] {
  const section = (value as Record<string, unknown> | null)?.[command];
  return Object.entries(section ?? {}).flatMap(([name, one]) =>
    typeof one === 'string' ? [`--${flagName(name)}=${one}`] : [],
  );
}

function objectIn(file: ConfigFile, value: unknown, field: string): Readonly<Record<string, unknown>> {
  const result = z.record(z.string(), z.unknown()).safeParse(value);
  if (result.success) return result.data;
  throw refusal(file, field, 'must be an object');
}

function unknown(file: ConfigFile, field: string, known: readonly string[]): never {
  const name = field.slice(field.indexOf('.') + 1);
  const near = nearestName(name, known);
  throw new UsageError(`${file.shown} has the unknown field ${field}`, {
    code: 'config/name',
    hint: near === undefined ? `Known are ${known.join(', ')}.` : `Did you mean "${near}"?`,
    details: { file: file.shown, field },
  });
}

function checkedValue(file: ConfigFile, field: string, value: unknown, option: Option): unknown {
  const result = checkValue(option, value);
  if (!result.success) {
    throw refusal(file, field, `cannot be ${JSON.stringify(value)}: ${faultOf(result.error)}`, option.help);
  }
  if (Array.isArray(result.data)) return result.data.map((one) => safe(file, field, one, option));
  return safe(file, field, result.data, option);
}

/**
 * A text from a config. Paths are relative to the config and must stay in its folder, and modules are refused. So a config in a
 * downloaded folder can neither run code nor overwrite files elsewhere.
 */
function safe(file: ConfigFile, field: string, value: unknown, option: Option): unknown {
  if (typeof value !== 'string') return value;
  if (option === commonOptions.import || (option.names && /\.[mc]?[jt]s(,|$)/.test(value))) {
    throw refusal(
      file,
      field,
      'names a module, but a config must not run code',
      'Give the module on the command line.',
    );
  }
  const isPath = PATHS.includes(option.value ?? '') || isAbsolute(value) || /^\.{1,2}(?:[\\/]|$)/.test(value);
  if (!isPath) return value;
  const path = resolve(file.folder, value);
  if (path !== file.folder && !path.startsWith(file.folder.replace(/[\\/]$/, '') + sep)) {
    throw refusal(
      file,
      field,
      `leads out of the folder of the config: ${value}`,
      'Give it on the command line.',
    );
  }
  return relative(process.cwd(), path) || '.';
}

const PATHS = ['<file>', '<folder>', '<zip>'];

function refusal(file: ConfigFile, field: string, what: string, hint?: string): UsageError {
  return new UsageError(`${file.shown}${field && `: ${field}`} ${what}`, {
    code: 'config/value',
    hint,
    details: { file: file.shown, field },
  });
}
