import { Command as Commander, CommanderError, Option as CommanderOption } from 'commander';
import { flagName } from '../deprecation.ts';
import type { Option, Options } from '../options.ts';
import { version } from '../version.ts';
import type { Command, Program } from './command.ts';
import { commands, groups } from './commands/index.ts';
import { type Told, tellFailure } from './failure.ts';
import { programName } from './format.ts';
import { flagsText, helpText, isOn } from './help-text.ts';
import type { Io } from './io.ts';

/** Runs one command line (without `node` and the program's name). Returns the exit status; never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const told = { json: argv.includes('--json'), verbose: argv.includes('--verbose') };
  try {
    await runLine(argv, io, told);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // The help for a missing command has already been printed.
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    return tellFailure(error, io, told);
  }
}

/** Runs a command line and throws errors. A config may change the form in which errors are printed. */
async function runLine(argv: readonly string[], io: Io, told: Told): Promise<void> {
  if (argv[0] === '--version' && argv.length > 1) return printVersions(argv, io);
  const own = await withOwn(argv);
  const program = await createProgram(own, io, told);
  await program.parseAsync(withoutVainHelp(own), { from: 'user' });
}

async function printVersions(argv: readonly string[], io: Io): Promise<void> {
  const { tellVersions } = await import('./versions.ts');
  await tellVersions(argv.slice(1), io);
}

const PROGRAM: Program = {
  commands,
  groups,
  run: (argv, io) => runLine(argv, io, { json: false, verbose: false }),
};

/** Throws for help of an unknown command, for which Commander would print the help of all commands. */
function withoutVainHelp(argv: readonly string[]): string[] {
  const [first, second = ''] = argv.filter((word) => !word.startsWith('-'));
  const isKnown =
    first === undefined ||
    commands.some(({ name }) => name === first || name === `${first} ${second}`) ||
    (second === '' && first in groups);
  return isKnown ? [...argv] : argv.filter((word) => word !== '--help' && word !== '-h');
}

/** A Commander program with all commands. Only the named command has its arguments and options. */
async function createProgram(argv: readonly string[], io: Io, told: Told): Promise<Commander> {
  const name = programName();
  const program = configure(new Commander('tip-adapter'), io)
    .description('Make image classifiers from a few labelled pictures.')
    .version(
      version,
      '--version',
      'Print the version. With --verbose, also print the versions of Node, the libraries and the encoders.',
    )
    .addHelpText(
      'after',
      `\nBegin with: ${name} studio\nOr with: ${name} fit photos/ -o pets.safetensors\nHelp for a command: ${name} help <command>`,
    );
  const parents = new Map<string, Commander>();
  const words = argv.filter((word) => !word.startsWith('-'));
  for (const { name, summary, load } of commands) {
    const [first = name, second] = name.split(' ');
    if (second && !parents.has(first)) {
      parents.set(first, configure(program.command(first), io).description(groups[first]!));
    }
    const parent = second ? (parents.get(first) as Commander) : program;
    const target = configure(parent.command(second ?? first), io).description(summary);
    if (words[0] === first && (!second || words[1] === second))
      await fill(target, { name, command: await load() }, argv, io, told);
  }
  return program;
}

/** Makes Commander throw its errors, so that one place prints all errors. */
function configure(target: Commander, io: Io): Commander {
  const width = () => Math.min(io.width, 100);
  return target
    .helpCommand(false)
    .helpOption('-h, --help', 'Print this help.')
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.print(text.trimEnd().split('\n')),
      writeErr: (text) => text.trimEnd().split('\n').forEach(io.tell),
      outputError() {},
      getOutHelpWidth: width,
      getErrHelpWidth: width,
    });
}

async function fill(
  target: Commander,
  { name: commandName, command }: { name: string; command: Command },
  argv: readonly string[],
  io: Io,
  told: Told,
): Promise<void> {
  const { commonOptions, optionsOf } = await import('./command.ts');
  const { NO_CONFIG, openConfig, runCommand } = await import('./run-command.ts');
  const isHelp = argv.includes('--help') || argv.includes('-h');
  const config = isHelp ? NO_CONFIG : await openConfig(commandName, commands);
  const options = { ...optionsOf(command), ...(await command.more?.([...config.words, ...argv])) };
  for (const argument of command.args) target.argument(argument);
  const table: Options = { ...options, ...commonOptions };
  for (const [name, option] of Object.entries(table)) {
    target.addOption(flagOf(name, option));
    if (!option.value && !option.choices) target.addOption(oppositeOf(name, option));
    if (option.formerly)
      target.addOption(flagOf(option.formerly.name, { ...option, short: undefined, hidden: true }));
  }
  target.addHelpText('after', examplesOf(command));
  target.action(async () => {
    // Commander sets a flag that is on by default, so its source says whether it was given.
    const typed = Object.fromEntries(
      Object.entries(target.opts()).filter(([option]) => target.getOptionValueSource(option) !== 'default'),
    );
    await runCommand(command, { args: target.args, typed, options, config }, { io, told, program: PROGRAM });
  });
}

/** The command line with ids in place of modules. The importer is loaded only if there are modules. */
async function withOwn(argv: readonly string[]): Promise<readonly string[]> {
  if (!argv.some((word) => /\.[mc]?[jt]s\b/.test(word))) return argv;
  const { withExtensions } = await import('./extensions.ts');
  return withExtensions(argv);
}

/** Commander only collects values, because the table's schema checks them. */
function flagOf(name: string, option: Option): CommanderOption {
  const flag = new CommanderOption(flagsText(name, option), helpText(option));
  if (option.hidden) flag.hideHelp();
  if (option.repeatable) flag.argParser((given: string, before?: string[]) => [...(before ?? []), given]);
  return flag;
}

/** The opposite form of a flag, which overrides a value from a config. */
function oppositeOf(name: string, option: Option): CommanderOption {
  return new CommanderOption(`--${isOn(option) ? '' : 'no-'}${flagName(name)}`).hideHelp();
}

function examplesOf({ examples }: Command): string {
  return `\nExamples:\n${examples.map(([line, does]) => `  ${line}\n      ${does}`).join('\n')}`;
}
