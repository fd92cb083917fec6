import { Command as Commander, CommanderError, Option as CommanderOption } from 'commander';
import { currentNames } from '../deprecation.ts';
import type { Device } from '../engine/device.ts';
import { UsageError } from '../errors.ts';
import type { Option, Options } from '../options.ts';
import { version } from '../version.ts';
import type { Command, Program } from './command.ts';
import { commands, groups } from './commands/index.ts';
import { tellFailure } from './failure.ts';
import { flagsText, helpText } from './help-text.ts';
import { type Io, quiet } from './io.ts';

/** Runs one command line (without `node` and the program's name). Returns the exit status; never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const told = { json: argv.includes('--json'), verbose: argv.includes('--verbose') };
  try {
    await runLine(argv, io);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Help in place of a missing command: it has been printed.
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    return tellFailure(error, io, told);
  }
}

/** The same, but throws. */
async function runLine(argv: readonly string[], io: Io): Promise<void> {
  const own = await withOwn(argv);
  const program = await createProgram(own, io);
  await program.parseAsync(withoutVainHelp(own), { from: 'user' });
}

const PROGRAM: Program = { commands, groups, run: runLine };

/** Commander would answer a request for the help of an unknown command with the help of all. */
function withoutVainHelp(argv: readonly string[]): string[] {
  const [first, second = ''] = argv.filter((word) => !word.startsWith('-'));
  const isKnown =
    first === undefined ||
    commands.some(({ name }) => name === first || name === `${first} ${second}`) ||
    (second === '' && first in groups);
  return isKnown ? [...argv] : argv.filter((word) => word !== '--help' && word !== '-h');
}

/** All commands by name; the one that is named is filled in. */
async function createProgram(argv: readonly string[], io: Io): Promise<Commander> {
  const program = configure(new Commander('tip-adapter'), io)
    .description('Make image classifiers from a few labelled pictures.')
    .version(version, '--version', 'Print the version.')
    .addHelpText('after', '\nHelp for a command: tip-adapter help <command>');
  const parents = new Map<string, Commander>();
  const words = argv.filter((word) => !word.startsWith('-'));
  for (const { name, summary, load } of commands) {
    const [first = name, second] = name.split(' ');
    if (second && !parents.has(first)) {
      parents.set(first, configure(program.command(first), io).description(groups[first]!));
    }
    const parent = second ? (parents.get(first) as Commander) : program;
    const target = configure(parent.command(second ?? first), io).description(summary);
    if (words[0] === first && (!second || words[1] === second)) await fill(target, await load(), argv, io);
  }
  return program;
}

/** Errors are thrown, to be told in one place. */
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

async function fill(target: Commander, command: Command, argv: readonly string[], io: Io): Promise<void> {
  const { resolveOptions } = await import('../options.ts');
  const { commonOptions, optionsOf } = await import('./command.ts');
  const options = { ...optionsOf(command), ...(await command.more?.(argv)) };
  for (const argument of command.args) target.argument(argument);
  const table: Options = { ...options, ...commonOptions };
  for (const [name, option] of Object.entries(table)) {
    target.addOption(flagOf(name, option));
    if (option.formerly)
      target.addOption(flagOf(option.formerly.name, { ...option, short: undefined, hidden: true }));
  }
  target.addHelpText('after', examplesOf(command));
  target.action(async () => {
    // A flag that is on by default counts as given only where it is.
    const typed = Object.fromEntries(
      Object.entries(target.opts()).filter(([name]) => target.getOptionValueSource(name) !== 'default'),
    );
    const given = currentNames(table, typed, io.note);
    checkNeeded(command, given);
    const common = resolveOptions(commonOptions, given);
    const { device = 'cpu', ...values } = resolveOptions(options, given);
    const own = common.quiet ? quiet(io) : io;
    await command.check?.(target.args, values);
    if (command.computes) await chooseDevice(device as Device, own);
    await command.run(target.args, values, own, PROGRAM);
  });
}

/** The command line with ids in place of modules. Most have none, and load nothing for it. */
async function withOwn(argv: readonly string[]): Promise<readonly string[]> {
  if (!argv.some((word) => /\.[mc]?[jt]s\b/.test(word))) return argv;
  const { withExtensions } = await import('./extensions.ts');
  return withExtensions(argv);
}

/** Everything a command computes, it computes on the shared engine; what that needs is brought first. */
async function chooseDevice(device: Device, io: Io): Promise<void> {
  const { chooseRuntime } = await import('../engine/onnxruntime.ts');
  const { withBar } = await import('./progress-bars.ts');
  const note = (line: string) => io.note(line);
  await withBar(io, 'Downloading ONNX Runtime', (bar) =>
    chooseRuntime({
      note,
      signal: io.signal,
      onDownload: ({ received, total }) => bar.update({ done: received, total, unit: 'bytes' }),
    }),
  );
  if (device === 'cpu') return;
  const { createEngine, setSharedEngine } = await import('../engine/node.ts');
  setSharedEngine(createEngine({ device, note }));
}

/** Values are checked by the table's own schema, so Commander only collects them. */
function flagOf(name: string, option: Option): CommanderOption {
  const flag = new CommanderOption(flagsText(name, option), helpText(option));
  if (option.hidden) flag.hideHelp();
  if (option.repeatable) flag.argParser((given: string, before?: string[]) => [...(before ?? []), given]);
  return flag;
}

/** Ours and not Commander's: that one would complain of it before it looks for misspelt flags. */
function checkNeeded({ options, examples }: Command, given: Readonly<Record<string, unknown>>): void {
  for (const [name, option] of Object.entries(options)) {
    if (given[name] !== undefined || option.schema.safeParse(option.default).success) continue;
    throw new UsageError(`Option ${flagsText(name, option)} is missing`, {
      code: 'usage',
      hint: `For example: ${examples[0][0]}`,
    });
  }
}

function examplesOf({ examples }: Command): string {
  return `\nExamples:\n${examples.map(([line, does]) => `  ${line}\n      ${does}`).join('\n')}`;
}
