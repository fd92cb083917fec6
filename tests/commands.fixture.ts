import { recordingIo } from '../src/cli/io.fixture.ts';
import { runCli } from '../src/cli/program.ts';

/** Runs as a process. It gets command lines as messages and sends the result of each back. */
process.on('message', async (argv: string[]) => {
  const io = recordingIo();
  const status = await runCli(argv, io);
  process.send?.({ status, out: io.out(), err: io.err() });
});
