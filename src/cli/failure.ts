import { CommanderError } from 'commander';
import { InterruptedError, TipAdapterError, UsageError } from '../errors.ts';
import type { Io } from './io.ts';

/** Prints an error, once, and returns the exit status. */
export function tellFailure(error: unknown, io: Io, { json = false, verbose = false } = {}): number {
  const failure = error instanceof CommanderError ? usageError(error) : asFailure(error, io);
  const { code, hint, exitCode } = failure;
  // The library knows options, the command line flags.
  const message =
    code === 'option/value' ? failure.message.replace(/^Option /, 'Option --') : failure.message;
  if (json) {
    io.tell(JSON.stringify({ error: { code, message, hint } }));
  } else if (code === 'interrupted') {
    io.tell(
      hint
        ? `${message}. ${hint}`
        : 'Interrupted. What was done is kept: the same command goes on from there.',
    );
  } else {
    io.tell({ style: 'red', mark: 'error:', text: message });
    if (hint) io.tell({ style: 'cyan', mark: 'hint:', text: hint });
  }
  if (verbose && error instanceof Error) for (const line of stacks(error).split('\n')) io.tell(line);
  return exitCode;
}

function asFailure(error: unknown, io: Io): TipAdapterError {
  if (error instanceof TipAdapterError) return error;
  if (io.signal.aborted) return new InterruptedError();
  return new TipAdapterError(error instanceof Error ? error.message : String(error), {
    code: 'unexpected',
    hint: 'This should not have happened; run it again with --verbose to see where.',
  });
}

/** Commander puts its advice into a second line. */
function usageError({ message }: CommanderError): UsageError {
  const [first, advice] = message.replace(/^error: /, '').split('\n');
  const hint = advice?.replace(/^\((.*)\)$/, '$1') ?? 'Add --help to see what there is.';
  return new UsageError(first[0].toUpperCase() + first.slice(1), { code: 'usage', hint });
}

function stacks(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stacks(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
