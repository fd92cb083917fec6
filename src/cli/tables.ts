import type { Options } from '../options.ts';
import { type Command, commonOptions, type ListedCommand, optionsOf } from './command.ts';

/** A command with all that its table says: the reference page, the manual page, completions and schemas are made from it. */
export interface TabledCommand {
  readonly name: string;
  readonly summary: string;
  readonly command: Command;
  /** The command's own options and those of the engine, without the common ones. */
  readonly options: Options;
}

/** Commands, loaded, in their order. */
export function tabledCommands(commands: readonly ListedCommand[]): Promise<TabledCommand[]> {
  return Promise.all(
    commands.map(async ({ name, summary, load }) => {
      const command = await load();
      return { name, summary, command, options: optionsOf(command) };
    }),
  );
}

/** All options that a command takes and help lists. */
export function listedOptions({ options }: TabledCommand): Options {
  return Object.fromEntries(
    Object.entries({ ...options, ...commonOptions }).filter(([, { hidden }]) => !hidden),
  );
}
