import { availableParallelism } from 'node:os';
import { TipAdapterError, UsageError } from '../../errors.ts';
import { flag, integer, optional, text } from '../../options.ts';
import type { WorkerCounts, WorkerEvent } from '../../scale/worker.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { printJson } from '../print.ts';
import { shardProgram } from '../shard-program.ts';

const HOST = '127.0.0.1';

export const workerCommand = defineCommand({
  args: ['<redis>'],
  options: {
    concurrency: integer({
      default: 1,
      min: 1,
      max: 64,
      help: 'Number of shards at the same time. Each has a process with an encoder of its own.',
    }),
    threads: optional(
      integer({
        min: 1,
        max: 1024,
        help: 'Number of threads that compute for one shard (default: all cores, shared among the shards).',
      }),
    ),
    once: flag({ help: 'Exit when no shard waits and none is being computed.' }),
    port: optional(
      integer({
        max: 65_535,
        help: 'Answer /healthz and /metrics (Prometheus) at this port; 0 takes any free one.',
      }),
    ),
    host: text({
      default: HOST,
      value: '<address>',
      help: 'The address for --port; 0.0.0.0 lets other machines send requests.',
    }),
    json: jsonOption,
  },
  examples: [
    ['tip-adapter worker redis://queue.example:6379', 'Does shards of all runs until it is stopped.'],
    [
      'TIP_ADAPTER_REDIS_PASSWORD=… tip-adapter worker rediss://queue.example:6380 --once',
      'Connects by TLS with a password, and ends when nothing is left to do.',
    ],
    [
      'tip-adapter worker redis://queue.example:6379 --port 9464 --host 0.0.0.0',
      'Also serves health and metrics to other machines.',
    ],
  ],
  async check([address], { port, host }) {
    if (port === undefined && host !== HOST)
      throw new UsageError('--host needs --port', {
        code: 'usage',
        hint: 'Give the port of /healthz and /metrics, for example --port 9464.',
      });
    const { parseRedisAddress } = await import('../../scale/redis.ts');
    parseRedisAddress(address);
  },
  async run([address], { concurrency, threads, once, port, host, json }, io) {
    const { startWorker } = await import('../../scale/worker.ts');
    const { boundedWriter, jsonLog } = await import('../../server/log.ts');
    const { serveWorkerStatus } = await import('../../server/worker-status.ts');
    const log = jsonLog(boundedWriter(process.stderr));
    const { ShardProcess } = await import('../../scale/shard-process.ts');
    const program = shardProgram(threads ?? Math.max(1, Math.floor(availableParallelism() / concurrency)));
    const worker = await startWorker(
      address,
      {
        concurrency,
        once,
        process: () => new ShardProcess(program),
        onEvent(event) {
          log(
            'error' in event || ('lost' in event && event.lost) ? 'warn' : 'info',
            event.event,
            factsOf(event),
          );
        },
      },
      { signal: io.signal },
    );
    const status = port === undefined ? undefined : await serveWorkerStatus(worker, { host, port });
    if (status) io.note(`Listening: ${status.address}/healthz and /metrics`);
    try {
      await worker.ended;
    } finally {
      await status?.close();
    }
    const { shards, pictures, rows, failures } = worker.counts;
    if (json) printJson(io, { shards, pictures, rows, failures });
    else io.print(doneText({ shards, pictures, rows, failures }));
  },
});

/** The work that a worker has done. The fits of a benchmark have neither pictures nor rows. */
function doneText({
  shards,
  pictures,
  rows,
  failures,
}: Pick<WorkerCounts, 'shards' | 'pictures' | 'rows' | 'failures'>): string {
  const parts = [
    ...(rows > 0 ? [count(rows, 'row')] : []),
    ...(pictures > 0 ? [`${count(pictures, 'picture')}, of which ${failures} could not be read`] : []),
  ];
  return `Done: ${count(shards, 'shard')}${parts.length > 0 ? ` with ${parts.join(' and ')}` : ''}`;
}

/** The facts of an event for the log. */
function factsOf(event: WorkerEvent): Record<string, unknown> {
  const { event: _, ...facts } = event;
  if ('seconds' in facts) return { ...facts, seconds: Number(facts.seconds.toFixed(3)) };
  if (!('error' in facts)) return facts;
  const { error, ...others } = facts;
  return {
    ...others,
    error: error instanceof TipAdapterError ? error.code : error.name,
    message: error.message,
  };
}
