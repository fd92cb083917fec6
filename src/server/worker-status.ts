import { createServer } from 'node:http';
import type { RunningWorker, WorkerCounts } from '../scale/worker.ts';
import { listen } from './http.ts';
import { reading, renderMetrics } from './prometheus.ts';

/**
 * Answers `/healthz` and `/metrics` (Prometheus) for a worker. The answers have only numbers, so no token is needed. Throws `UsageError` if
 * the port is in use.
 */
export async function serveWorkerStatus(
  worker: Pick<RunningWorker, 'counts' | 'queued'>,
  { host, port }: { host: string; port: number },
): Promise<{ address: string; close(): Promise<void> }> {
  const http = createServer(async ({ method, url }, response) => {
    const answer = (status: number, type: string, body: string) =>
      response.writeHead(status, { 'content-type': type }).end(method === 'HEAD' ? undefined : body);
    if (method !== 'GET' && method !== 'HEAD') return answer(405, 'text/plain', 'Only GET is accepted\n');
    // While Redis cannot be reached, the worker waits for it. It counts as healthy, because another worker in its place would also wait.
    if (url === '/healthz')
      return answer(
        200,
        'application/json',
        JSON.stringify({ status: 'ok', redis: worker.counts.connected }),
      );
    if (url === '/metrics') return answer(200, METRICS_TYPE, await metricsOf(worker));
    answer(404, 'text/plain', 'There are /healthz and /metrics\n');
  });
  const address = await listen(http, host, port);
  return {
    address,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Milliseconds within which Redis has to count the waiting shards. */
const PATIENCE = 1_000;

async function metricsOf({ counts, queued }: Pick<RunningWorker, 'counts' | 'queued'>): Promise<string> {
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), PATIENCE).unref());
  const queue = counts.connected ? await Promise.race([queued().catch(() => undefined), late]) : undefined;
  const own = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    value: (counts: WorkerCounts) => number,
  ) => reading(type, `tip_adapter_worker_${name}`, help, () => [[{}, value(counts)]]);
  return renderMetrics([
    own('counter', 'shards_total', 'Shards done.', ({ shards }) => shards),
    own('counter', 'pictures_total', 'Pictures of these shards.', ({ pictures }) => pictures),
    own('counter', 'rows_total', 'Rows of features that were summed up.', ({ rows }) => rows),
    own(
      'counter',
      'unreadable_pictures_total',
      'Pictures that could not be read.',
      ({ failures }) => failures,
    ),
    own(
      'counter',
      'read_bytes_total',
      'Bytes of pictures and features that were read.',
      ({ bytes }) => bytes,
    ),
    own('counter', 'shard_seconds_total', 'Seconds of work on shards.', ({ seconds }) => seconds),
    own('counter', 'failed_attempts_total', 'Attempts at a shard that failed.', ({ failed }) => failed),
    own('gauge', 'busy', 'Shards that are worked on.', ({ busy }) => busy),
    own('gauge', 'redis_connected', '1 if Redis is connected, else 0.', ({ connected }) => Number(connected)),
    ...(queue
      ? [
          reading('gauge', 'tip_adapter_queue_shards', 'Shards of all runs, by state.', () => [
            [{ state: 'waiting' }, queue.waiting],
            [{ state: 'active' }, queue.active],
          ]),
        ]
      : []),
    reading('gauge', 'process_resident_memory_bytes', 'Resident memory.', () => [
      [{}, process.memoryUsage.rss()],
    ]),
  ]);
}
