import { Command as Commander, CommanderError, Option as CommanderOption } from 'commander';
import { type Option, resolveOptions } from '../options.ts';
import { version } from '../version.ts';
import { type Command, commonOptions } from './command.ts';
import { commands } from './commands/index.ts';
import { tellFailure } from './failure.ts';
import { type Io, quiet } from './io.ts';
import { flagsText, helpText } from './wording.ts';

/** Runs one command line (without `node` and the program's name). Returns the exit status; never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const told = { json: argv.includes('--json'), verbose: argv.includes('--verbose') };
  try {
    await createProgram(io).parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    return tellFailure(error, io, told);
  }
}

function createProgram(io: Io): Commander {
  const program = new Commander('tip-adapter')
    .description('A handful of labelled pictures in, an image classifier out.')
    .version(version, '--version', 'Print the version.')
    .helpCommand(false)
    .addHelpText('after', '\nMore about a command: tip-adapter <command> --help');
  configure(program, io);
  for (const command of commands) addCommand(program, command, io);
  return program;
}

/** Errors are thrown, to be told in one place. */
function configure(target: Commander, io: Io): Commander {
  return target
    .helpOption('-h, --help', 'Print this help.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError() {},
      getOutHelpWidth: () => Math.min(io.width, 100),
      getErrHelpWidth: () => Math.min(io.width, 100),
    });
}

/** What a command with several words is about, by its first word. */
const GROUPS: Readonly<Record<string, string>> = { encoders: 'List, get, show, remove and carry encoders.' };

function addCommand(program: Commander, command: Command, io: Io): void {
  const words = command.name.split(' ');
  const name = words.pop() as string;
  const parent = words.length > 0 ? groupOf(program, words[0], io) : program;
  const target = configure(parent.command(name), io).description(command.summary);
  for (const argument of command.args) target.argument(argument);
  const table = { ...command.options, ...commonOptions };
  for (const [option, definition] of Object.entries(table)) target.addOption(flagOf(option, definition));
  target.addHelpText('after', examplesOf(command));
  target.action(async () => {
    const common = resolveOptions(commonOptions, target.opts());
    const values = resolveOptions(command.options, target.opts());
    await command.run(target.args, values, common.quiet ? quiet(io) : io);
  });
}

function groupOf(program: Commander, name: string, io: Io): Commander {
  const known = program.commands.find((command) => command.name() === name);
  return known ?? configure(program.command(name), io).description(GROUPS[name]);
}

/** Values are checked by the table's own schema, so Commander only collects them. */
function flagOf(name: string, option: Option): CommanderOption {
  const flag = new CommanderOption(flagsText(name, option), helpText(option));
  if (option.repeatable) flag.argParser((given: string, before?: string[]) => [...(before ?? []), given]);
  return flag;
}

function examplesOf({ examples }: Command): string {
  return `\nExamples:\n${examples.map(([line, does]) => `  ${line}\n      ${does}`).join('\n')}`;
}
