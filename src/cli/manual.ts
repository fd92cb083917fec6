import type { Options } from '../options.ts';
import { version } from '../version.ts';
import { commonOptions } from './command.ts';
import { commands } from './commands/index.ts';
import { EXIT_STATUSES } from './exit-statuses.ts';
import { flagsText, helpText } from './help-text.ts';
import { type TabledCommand, tabledCommands } from './tables.ts';

/** The manual page man/tip-adapter.1 in the macros of man(7): every command with its options and examples, from the program's tables. */
export async function renderManual(): Promise<string> {
  const sections = (await tabledCommands(commands)).map(section);
  return `.\\" Made by \`npm run docs\` from the commands' own tables; edit those.
.TH TIP-ADAPTER 1 "" "tip-adapter ${version}" "User Commands"
.ad l
.nh
.SH NAME
tip-adapter \\- few-shot image classification: a handful of labelled pictures in, a classifier out
.SH SYNOPSIS
.B tip-adapter
.I command
.RI [ arguments ]
.RI [ options ]
.SH DESCRIPTION
${text('tip-adapter makes image classifiers from a few labelled pictures, with Tip-Adapter and later methods.')}
Results go to standard output; progress, notes, warnings and errors go to standard error.
.SH OPTIONS
Every command takes these options, and
.BR \\-\\-help .
${optionList(commonOptions)}
.SH COMMANDS
${sections.join('\n')}
.SH EXIT STATUS
${EXIT_STATUSES.map(([status, meaning]) => `.TP\n.B ${status}\n${text(`${meaning}.`)}`).join('\n')}
.SH ENVIRONMENT
.TP
.B TIP_ADAPTER_HOME
The folder for encoders, stored features, downloads and ONNX Runtime's native build; the default is in the cache folder of the platform.
.TP
.B TIP_ADAPTER_TOKEN
The bearer token of
.BR "tip-adapter serve" .
.TP
.BR NO_COLOR ", " FORCE_COLOR
Print without colours, or with colours where the output is no terminal.
.SH SEE ALSO
https://github.com/tip-adapter/tip-adapter
`;
}

function section({ name, summary, command: { args, examples }, options }: TabledCommand): string {
  const usage = ['tip-adapter', name, ...args, ...(Object.keys(options).length > 0 ? ['[options]'] : [])];
  return [
    `.SS ${quoted(name)}`,
    text(summary),
    '.PP',
    `.B ${quoted(usage.join(' '))}`,
    ...(Object.keys(options).length > 0 ? [optionList(options)] : []),
    '.PP',
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...examples.map(([line, does]) => `.TP\n.B ${quoted(line)}\n${text(does)}`),
  ].join('\n');
}

function optionList(options: Options): string {
  return Object.entries(options)
    .filter(([, { hidden }]) => !hidden)
    .map(([name, option]) => `.TP\n.B ${quoted(flagsText(name, option))}\n${text(helpText(option))}`)
    .join('\n');
}

/** Puts each sentence on a line of its own, as is usual in manual pages. */
const text = (sentences: string) =>
  sentences
    .split(/(?<=[^.]\.) (?=[A-Z])/)
    .map(line)
    .join('\n');

/** Escapes characters that roff would read as a command or a dash. */
function line(plain: string): string {
  const escaped = plain.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** An argument of a macro, which may have spaces. */
const quoted = (plain: string) => `"${line(plain).replaceAll('"', '""')}"`;
