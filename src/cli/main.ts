#!/usr/bin/env node
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

// Whoever reads our output may have seen enough (`| head`).
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

process.exitCode = await runCli(process.argv.slice(2), processIo(controller.signal, interrupt));
