import { CommanderError } from 'commander';
import type { Finding } from '../dataset/types.ts';
import { errorLink, InterruptedError, TipAdapterError, UsageError } from '../errors.ts';
import { jsonText } from '../printable.ts';
import { systemError } from '../system-error.ts';
import type { Io } from './io.ts';

/** The form in which errors are printed. */
export interface Told {
  json: boolean;
  verbose: boolean;
}

/** Prints an error, once, and returns the exit status. */
export function tellFailure(
  error: unknown,
  io: Io,
  { json = false, verbose = false }: Partial<Told> = {},
): number {
  const failure = error instanceof CommanderError ? usageError(error) : asFailure(error, io);
  const { code, hint, exitCode, details } = failure;
  const noticed = details.findings as readonly Finding[] | undefined;
  // Messages of the library name options. The command line shows them as flags.
  const message = /^(option|method|fit)\//.test(code)
    ? failure.message.replace(/^Option (\S+)/, (_, name: string) => `Option --${kebab(name)}`)
    : failure.message;
  if (json) {
    io.tell(jsonText({ error: { code, message, hint, link: errorLink(code), findings: noticed } }));
  } else if (code === 'interrupted') {
    io.tell(
      hint
        ? `${message}. ${hint}`
        : 'Interrupted. Finished work is kept, and the same command continues from it.',
    );
  } else {
    io.tell({ style: 'red', mark: 'error:', text: message });
    for (const finding of noticed ?? [])
      io.tell({ style: 'yellow', mark: 'noticed:', text: finding.message });
    if (hint) io.tell({ style: 'cyan', mark: 'hint:', text: hint });
    // A typing error needs no link to a page.
    if (code !== 'usage') io.tell({ style: 'dim', mark: `${code}:`, text: errorLink(code) });
  }
  if (verbose && error instanceof Error) for (const line of stacks(error)) io.tell(line);
  return exitCode;
}

function asFailure(error: unknown, io: Io): TipAdapterError {
  if (error instanceof TipAdapterError) return error;
  if (io.signal.aborted) return new InterruptedError();
  return systemError(error) ?? unexpected(error);
}

function unexpected(error: unknown): TipAdapterError {
  return new TipAdapterError(error instanceof Error ? error.message : String(error), {
    code: 'unexpected',
    hint: 'This is a fault of the program. Run the same command with --verbose, and report its output.',
  });
}

/** Splits Commander's message: its advice is in brackets on the last line. */
function usageError({ message }: CommanderError): UsageError {
  const [, what, advice] = /^(?:error: )?(.*?)(?:\n\((.*)\))?$/s.exec(message) as RegExpExecArray;
  const hint = advice ?? 'Add --help to list commands and options.';
  return new UsageError(
    what!.replace(/^./, (letter) => letter.toUpperCase()),
    { code: 'usage', hint },
  );
}

/** The stack trace of an error and its causes, line by line. */
function stacks(error: Error): string[] {
  const places = error.stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [];
  const [first, ...rest] = error.cause instanceof Error ? stacks(error.cause) : [];
  return [`${error.name}: ${error.message}`, ...places, ...(first ? [`caused by ${first}`, ...rest] : [])];
}

/** The flag's name of an option: `training-free` for `trainingFree`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
