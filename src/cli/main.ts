#!/usr/bin/env node
import { systemError } from '../system-error.ts';
import { tellFailure } from './failure.ts';
import { runCli } from './program.ts';
import { processIo } from './terminal.ts';

const INTERRUPTED = 130;
const controller = new AbortController();

/** Milliseconds in which a second SIGINT is ignored. Under `npx` one Ctrl-C arrives twice: from the terminal and from npm. */
const ECHO_MS = 500;
let interrupted = 0;

/** The first Ctrl-C stops the work and keeps finished results. The second ends the program at once. */
function interrupt(): void {
  const now = performance.now();
  if (!controller.signal.aborted) interrupted = now;
  else if (now - interrupted > ECHO_MS) process.exit(INTERRUPTED);
  controller.abort();
}
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
// A closing terminal sends SIGHUP several times, so repeated signals do not end the program at once.
process.on('SIGHUP', () => controller.abort());

const io = processIo(controller.signal, interrupt);

// An error of stderr cannot be reported anywhere.
process.stderr.on('error', () => {});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // If the reader of stdout has closed it (`| head`), the program ends without an error, unless it is already stopping.
  const gone = error.code === 'EPIPE' || process.stdout.isTTY;
  if (gone && controller.signal.aborted) return;
  process.exit(
    gone ? 0 : tellFailure(systemError(error, { path: 'the output', writing: true }) ?? error, io),
  );
});

process.exitCode = await runCli(process.argv.slice(2), io);
// Signals arrive twice under `npx`. A signal while Node shuts down would end the program with the signal's status although all work is
// finished. `exit` keeps the handlers until the end.
if (controller.signal.aborted) process.stdout.write('', () => process.exit());
