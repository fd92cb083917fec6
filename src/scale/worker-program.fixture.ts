/** A worker as a program, with an encoder that only waits and short locks. It prints its events. */
import { fileURLToPath } from 'node:url';
import { ShardProcess } from './shard-process.ts';
import { startWorker, type WorkerOptions } from './worker.ts';

const [address, options = '{}'] = process.argv.slice(2);
const program = fileURLToPath(new URL('./waiting-worker.fixture.js', import.meta.url));
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
const worker = await startWorker(
  address!,
  {
    lock: 1000,
    process: () => new ShardProcess({ program }),
    ...(JSON.parse(options) as Partial<WorkerOptions>),
    onEvent: (event) =>
      console.log(JSON.stringify({ ...event, ...('error' in event && { error: event.error.message }) })),
  },
  stop,
).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
await worker.ended.catch((error) => {
  console.error(error.message);
  process.exit(error.exitCode);
});
