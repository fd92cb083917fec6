#!/usr/bin/env node
import { runCli } from './program.ts';
import { processIo } from './terminal.ts';

const INTERRUPTED = 130;
const controller = new AbortController();

/** The first Ctrl-C stops the work and keeps what was done; the second ends the program at once. */
function interrupt(): void {
  if (controller.signal.aborted) process.exit(INTERRUPTED);
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
