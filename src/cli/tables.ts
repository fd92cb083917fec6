import type { Options } from '../options.ts';
import { type Command, commonOptions, type ListedCommand, optionsOf } from './command.ts';

/** A loaded command, from which the reference page, the manual page, completions and schemas are made. */
export interface TabledCommand {
  readonly name: string;
  readonly summary: string;
  readonly command: Command;
  /** The command's own options and those of the engine, without the options of every command. */
  readonly options: Options;
}

/** Loads commands, in their order. */
export function tabledCommands(commands: readonly ListedCommand[]): Promise<TabledCommand[]> {
  return Promise.all(
    commands.map(async ({ name, summary, load }) => {
      const command = await load();
      return { name, summary, command, options: optionsOf(command) };
    }),
  );
}

/** The options of a command that help lists. */
export function listedOptions({ options }: TabledCommand): Options {
  return Object.fromEntries(
    Object.entries({ ...options, ...commonOptions }).filter(([, { hidden }]) => !hidden),
  );
}
