import { currentNames } from '../deprecation.ts';
import type { Device } from '../engine/device.ts';
import { UsageError } from '../errors.ts';
import { checkValue, type Options, resolveOptions } from '../options.ts';
import { type Command, commonOptions, type ListedCommand, noEffect, type Program } from './command.ts';
import type { Configured } from './config.ts';
import { findConfig } from './config-file.ts';
import type { Told } from './failure.ts';
import { flagsText } from './help-text.ts';
import { type Io, quiet } from './io.ts';

/** The contents of a config for a command. */
interface OpenConfig {
  /** Its name in messages. */
  readonly shown: string;
  /** Its texts as command-line words. */
  readonly words: readonly string[];
  /** Returns its values, checked against the options of the command. */
  check(table: Options): Configured;
}

export const NO_CONFIG: OpenConfig = {
  shown: '',
  words: [],
  check: () => ({ values: {}, fields: {}, updates: false }),
};

/** Opens the config of the working folder for a command. */
export async function openConfig(command: string, commands: readonly ListedCommand[]): Promise<OpenConfig> {
  const file = await findConfig(process.cwd());
  if (!file) return NO_CONFIG;
  const { configured, wordsOf } = await import('./config.ts');
  const names = commands.map(({ name }) => name);
  return {
    shown: file.shown,
    words: wordsOf(file, command),
    check: (table) => configured(file, command, { table, commands: names }),
  };
}

/** Runs a command: merges command line and config, checks all values, chooses the device, and sets the form of errors. */
export async function runCommand(
  command: Command,
  {
    args,
    typed,
    options,
    config,
  }: { args: readonly string[]; typed: Record<string, unknown>; options: Options; config: OpenConfig },
  { io, told, program }: { io: Io; told: Told; program: Program },
): Promise<void> {
  const table = { ...options, ...commonOptions };
  const preset = config.check(table);
  const given = currentNames(table, { ...preset.values, ...typed }, io.note);
  told.json = given.json === true;
  told.verbose = given.verbose === true;
  checkArguments(command, args);
  checkNeeded(command, given);
  const common = resolveOptions(commonOptions, given);
  const { device = 'cpu', ...values } = resolveOptions(options, given);
  const own = common.quiet ? quiet(io) : io;
  const taken = Object.keys(preset.fields).filter((option) => !(option in typed));
  if (common.verbose && taken.length > 0)
    own.note(`From ${config.shown}: ${taken.map((option) => preset.fields[option]).join(', ')}`);
  const notice = preset.updates && !common.quiet ? askForUpdate() : undefined;
  await command.check?.(args, values, Object.keys(typed));
  const elsewhere = values.queue !== undefined ? '--queue' : Number(values.jobs) > 1 ? '--jobs' : undefined;
  if (elsewhere && device !== 'cpu')
    throw noEffect('device', elsewhere, 'Its processes compute, each on the CPU of its machine.');
  if (command.computes) await chooseDevice(device as Device, own);
  await command.run(args, values, own, program);
  const newer = await notice;
  if (newer) own.note(newer);
}

async function askForUpdate(): Promise<string | undefined> {
  const { updateNotice } = await import('./update-notice.ts');
  return updateNotice();
}

/** Prepares the shared engine, which every command computes on, and downloads ONNX Runtime if it is missing. */
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
  const { createEngine } = await import('../engine/node.ts');
  const { setSharedEngine } = await import('../engine/shared.ts');
  setSharedEngine(createEngine({ device, note }));
}

/** Refuses empty arguments, which come from a variable of the shell that is not set. An error about their path would name nothing. */
function checkArguments({ args: names, examples }: Command, args: readonly string[]): void {
  const at = args.indexOf('');
  if (at < 0) return;
  // The last argument may be a list.
  throw new UsageError(`Argument ${names[at] ?? names.at(-1)} is empty`, {
    code: 'usage',
    hint: `For example: ${examples[0][0]}`,
  });
}

/** Checks for required options here, because Commander would report a missing option before a misspelt one. */
function checkNeeded({ options, examples }: Command, given: Readonly<Record<string, unknown>>): void {
  for (const [name, option] of Object.entries(options)) {
    if (given[name] !== undefined || checkValue(option, option.default).success) continue;
    throw new UsageError(`Option ${flagsText(name, option)} is missing`, {
      code: 'usage',
      hint: `For example: ${examples[0][0]}`,
    });
  }
}
