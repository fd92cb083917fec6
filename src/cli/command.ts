import { DEVICES } from '../engine/device.ts';
import { UsageError } from '../errors.ts';
import { choice, flag, type Options, optional, texts, type ValuesOf } from '../options.ts';
import type { Io } from './io.ts';

/** The type of what is typed for `args` of a command. */
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

/** What a command takes and does: everything that parsing, help and the reference page need, as data. */
export interface Command<T extends Options = Options, A extends readonly string[] = readonly string[]> {
  /** `<data>` must be there, `[data]` may, `<images...>` is one or more, `[words...]` any number. */
  readonly args: A;
  readonly options: T;
  /** Options that depend on what is typed; they come before `options` of the same name. */
  more?(argv: readonly string[]): Promise<Options>;
  /** The command embeds, trains or scores: it takes the options of the engine, too, unless it computes on the CPU alone. */
  readonly computes?: 'on-device' | 'on-cpu';
  /** What to type, and what it does. */
  readonly examples: readonly [Example, ...Example[]];
  /**
   * Throws `UsageError` for arguments and options that do not fit together or cannot be followed: before anything is downloaded,
   * read or written.
   */
  check?(args: Typed<A>, values: ValuesOf<T>): void | Promise<void>;
  /** `args` as typed, one after the other; `values` checked and with defaults. */
  run(args: Typed<A>, values: ValuesOf<T>, io: Io, program: Program): Promise<void>;
}

/** A command by name. What it takes and does is loaded when it is asked for, so that the program starts fast. */
export interface ListedCommand {
  /** As typed: `fit`, `encoders pull`. */
  readonly name: string;
  /** One sentence in plain words. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** The program that a command is part of. */
export interface Program {
  readonly commands: readonly ListedCommand[];
  /** What the commands are about that begin with one word: `encoders`. */
  readonly groups: Readonly<Record<string, string>>;
  /** Runs another command line. Throws its error. */
  run(argv: readonly string[], io: Io): Promise<void>;
}

type Example = readonly [command: string, does: string];

/** Options that every command has. */
export const commonOptions = {
  quiet: flag({ short: 'q', help: 'Print no progress and no notes; errors are still printed.' }),
  import: optional(
    texts({
      value: '<module>',
      help: 'Import methods, encoders and data set layouts of your own from a JavaScript module; may be repeated.',
    }),
  ),
  verbose: flag({
    help: 'Print where in the program an error occurred, and what was taken from a config file.',
  }),
} as const;

/** Options of every command that computes. */
export const engineOptions = {
  device: choice(DEVICES, {
    default: 'cpu',
    help: 'The device that computes. All but cpu are experimental; the CPU replaces a device that cannot be used.',
  }),
} as const;

/** A command's own options and those it shares with others, but for the common ones. */
export function optionsOf({ options, computes }: Command): Options {
  return computes === 'on-device' ? { ...options, ...engineOptions } : options;
}

export const jsonOption = flag({ help: 'Print JSON; errors are JSON on stderr.' });

/** Keeps the types of arguments and options where a command is written, and forgets them where commands are listed. */
export function defineCommand<const T extends Options, const A extends readonly string[]>(
  command: Command<T, A>,
): Command {
  return command as unknown as Command;
}

/** The value of a flag as it is typed, before anything is checked: `--method gda` or `--method=gda`. */
export function typedValue(argv: readonly string[], flag: string): string | undefined {
  const at = argv.findLastIndex((word) => word === flag || word.startsWith(`${flag}=`));
  return at < 0 ? undefined : argv[at] === flag ? argv[at + 1] : argv[at]!.slice(flag.length + 1);
}

/** Refuses an option that has no effect beside another one. */
export function noEffect(option: string, beside: string, hint: string): UsageError {
  return new UsageError(`--${option} has no effect with ${beside}`, {
    code: 'option/no-effect',
    hint,
    details: { option },
  });
}
