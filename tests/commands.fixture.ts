import { recordingIo } from '../src/cli/io.fixture.ts';
import { runCli } from '../src/cli/program.ts';

/** Run as a process: command lines come as messages, and what each did goes back. */
process.on('message', async (argv: string[]) => {
  const io = recordingIo();
  const status = await runCli(argv, io);
  process.send?.({ status, out: io.out(), err: io.err() });
});
