import { CommanderError } from 'commander';
import { errorLink, InterruptedError, TipAdapterError, UsageError } from '../errors.ts';
import { jsonText } from '../printable.ts';
import { systemError } from '../system-error.ts';
import type { Io } from './io.ts';

/** How errors are told. */
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
  const { code, hint, exitCode } = failure;
  // The library knows options, the command line flags.
  const message = /^(option|method|fit)\//.test(code)
    ? failure.message.replace(/^Option (\S+)/, (_, name: string) => `Option --${kebab(name)}`)
    : failure.message;
  if (json) {
    io.tell(jsonText({ error: { code, message, hint, link: errorLink(code) } }));
  } else if (code === 'interrupted') {
    io.tell(
      hint
        ? `${message}. ${hint}`
        : 'Interrupted. Finished work is kept; the same command continues from there.',
    );
  } else {
    io.tell({ style: 'red', mark: 'error:', text: message });
    if (hint) io.tell({ style: 'cyan', mark: 'hint:', text: hint });
    // What is mistyped needs no page.
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
    hint: 'This is a fault of the program. The same command with --verbose shows where it happened; please report it.',
  });
}

/** Commander puts its advice into a last line in brackets. */
function usageError({ message }: CommanderError): UsageError {
  const [, what, advice] = /^(?:error: )?(.*?)(?:\n\((.*)\))?$/s.exec(message) as RegExpExecArray;
  const hint = advice ?? 'Add --help to list commands and options.';
  return new UsageError(
    what!.replace(/^./, (letter) => letter.toUpperCase()),
    { code: 'usage', hint },
  );
}

/** Where an error and its causes came from, line by line. */
function stacks(error: Error): string[] {
  const places = error.stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [];
  const [first, ...rest] = error.cause instanceof Error ? stacks(error.cause) : [];
  return [`${error.name}: ${error.message}`, ...places, ...(first ? [`caused by ${first}`, ...rest] : [])];
}

/** `trainingFree` as its flag has it: `training-free`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
