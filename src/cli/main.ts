#!/usr/bin/env node
import { systemError } from '../system-error.ts';
import { tellFailure } from './failure.ts';
import { runCli } from './program.ts';
import { processIo } from './terminal.ts';

const INTERRUPTED = 130;
const controller = new AbortController();

/** Under `npx` one Ctrl-C comes twice: from the terminal, and from npm, which passes it on. */
const ECHO_MS = 500;
let interrupted = 0;

/** The first Ctrl-C stops the work and keeps what was done; the second ends the program at once. */
function interrupt(): void {
  const now = performance.now();
  if (!controller.signal.aborted) interrupted = now;
  else if (now - interrupted > ECHO_MS) process.exit(INTERRUPTED);
  controller.abort();
}
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
// A terminal that closes says so more than once, and is no reason to hurry.
process.on('SIGHUP', () => controller.abort());

const io = processIo(controller.signal, interrupt);

// Nothing can be said to someone who has gone.
process.stderr.on('error', () => {});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // What is being stopped is stopped in good order; else whoever read our output has seen enough (`| head`).
  const gone = error.code === 'EPIPE' || process.stdout.isTTY;
  if (gone && controller.signal.aborted) return;
  process.exit(
    gone ? 0 : tellFailure(systemError(error, { path: 'the output', writing: true }) ?? error, io),
  );
});

process.exitCode = await runCli(process.argv.slice(2), io);
// Signals come twice under `npx`. One that comes while Node takes itself down would end the program with the signal's status, although all
// is done; `exit` keeps the handlers to the end.
if (controller.signal.aborted) process.stdout.write('', () => process.exit());
