import { DEVICES } from '../engine/device.ts';
import { UsageError } from '../errors.ts';
import { choice, flag, type Options, optional, texts, type ValuesOf } from '../options.ts';
import type { Io } from './io.ts';

/** The type of a command's typed arguments, from `args`. */
type Typed<A extends readonly string[]> = number extends A['length']
  ? readonly string[]
  : A extends readonly [infer First, ...infer Rest extends readonly string[]]
    ? readonly [...TypedOne<First>, ...Typed<Rest>]
    : readonly [];
type TypedOne<A> = A extends `<${string}...>`
  ? [string, ...string[]]
  : A extends `[${string}...]`
    ? string[]
    : A extends `<${string}>`
      ? [string]
      : [string?];

/** The definition of a command as data, which parsing, help and the reference page use. */
export interface Command<T extends Options = Options, A extends readonly string[] = readonly string[]> {
  /** `<data>` is required, `[data]` is optional, `<images...>` is one or more, `[words...]` is any number. */
  readonly args: A;
  readonly options: T;
  /** Options that depend on the command line. They replace `options` of the same name. */
  more?(argv: readonly string[]): Promise<Options>;
  /** The command embeds, trains or scores. It then also takes the options of the engine, unless it computes only on the CPU. */
  readonly computes?: 'on-device' | 'on-cpu';
  /** Command lines, each with a sentence about it. */
  readonly examples: readonly [Example, ...Example[]];
  /**
   * Throws `UsageError` for arguments and options that do not fit together or cannot be used. It is called before anything is downloaded,
   * read or written. `typed` has the names of the options on the command line, without those of a config file.
   */
  check?(args: Typed<A>, values: ValuesOf<T>, typed: readonly string[]): void | Promise<void>;
  /** `args` as typed, in their order. `values` are checked and have defaults. */
  run(args: Typed<A>, values: ValuesOf<T>, io: Io, program: Program): Promise<void>;
}

/** A command's name and summary. Its definition is loaded when it is needed, so that the program starts fast. */
export interface ListedCommand {
  /** As typed: `fit`, `encoders pull`. */
  readonly name: string;
  /** Summary in one sentence. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** The program around a command. */
export interface Program {
  readonly commands: readonly ListedCommand[];
  /** Summaries of the groups of commands, by their first word: `encoders`. */
  readonly groups: Readonly<Record<string, string>>;
  /** Runs another command line and throws its error. */
  run(argv: readonly string[], io: Io): Promise<void>;
}

type Example = readonly [command: string, does: string];

/** Options of every command. */
export const commonOptions = {
  quiet: flag({ short: 'q', help: 'Print errors, but no progress and no notes.' }),
  import: optional(
    texts({
      value: '<module>',
      help: 'Import methods, encoders and data set layouts of your own from a JavaScript module. Give several to import several.',
    }),
  ),
  verbose: flag({
    help: 'Print where in the program an error occurred, and which values come from a config file.',
  }),
} as const;

/** Options of every command that computes. */
export const engineOptions = {
  device: choice(DEVICES, {
    default: 'cpu',
    help: 'The device that computes. All except cpu are experimental. The CPU replaces a device that cannot be used.',
  }),
} as const;

/** A command's own options and those of the engine, without the options of every command. */
export function optionsOf({ options, computes }: Command): Options {
  return computes === 'on-device' ? { ...options, ...engineOptions } : options;
}

export const jsonOption = flag({ help: 'Print JSON, and errors as JSON on stderr.' });

/** Checks the types of arguments and options in a command's definition, and returns it without these types, for lists. */
export function defineCommand<const T extends Options, const A extends readonly string[]>(
  command: Command<T, A>,
): Command {
  return command as unknown as Command;
}

/** The unchecked value of a flag on the command line: `--method gda` or `--method=gda`. */
export function typedValue(argv: readonly string[], flag: string): string | undefined {
  const at = argv.findLastIndex((word) => word === flag || word.startsWith(`${flag}=`));
  return at < 0 ? undefined : argv[at] === flag ? argv[at + 1] : argv[at]!.slice(flag.length + 1);
}

/** The name of the first option that was given: neither undefined nor a flag that is off. */
export function firstGiven(options: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(options).find((name) => options[name] !== undefined && options[name] !== false);
}

/** The error for an option that has no effect with another one. */
export function noEffect(option: string, beside: string, hint: string): UsageError {
  return new UsageError(`Option ${option} has no effect with ${beside}`, {
    code: 'option/no-effect',
    hint,
    details: { option },
  });
}
