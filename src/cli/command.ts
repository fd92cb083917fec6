import { flag, type Options, type ValuesOf } from '../options.ts';
import type { Io } from './io.ts';

/** What a command takes and does: everything that parsing, help and the reference page need, as data. */
export interface Command<T extends Options = Options> {
  /** `<data>` must be there, `[data]` may, `<images...>` is one or more. */
  readonly args: readonly string[];
  readonly options: T;
  /** What to type, and what it does. */
  readonly examples: readonly (readonly [command: string, does: string])[];
  /** `args` as typed, one after the other; `values` checked and with defaults. */
  run(args: readonly string[], values: ValuesOf<T>, io: Io): Promise<void>;
}

/** Options that every command has. */
export const commonOptions = {
  quiet: flag({ short: 'q', help: 'No progress and no notes; errors are still told.' }),
  verbose: flag({ help: 'Tell where in the program an error came from.' }),
} as const;

export const jsonOption = flag({ help: 'Print JSON; errors are JSON on stderr, too.' });

/** Keeps the types of the options where a command is written, and forgets them where commands are listed. */
export function defineCommand<const T extends Options>(command: Command<T>): Command {
  return command as unknown as Command;
}
