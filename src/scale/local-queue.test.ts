import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { localQueue } from './local-queue.ts';
import type { RunProgress, Shard, Work } from './work.ts';

/** Work of `n` shards of ten pictures, whose results are kept in `results`. */
function countedWork(n: number, results: Set<string>, failing?: string): Work & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    id: 'run',
    description: { kind: 'embed' },
    pictures: 10 * n,
    async *shards() {
      for (let i = 0; i < n; i++) yield { id: `${i}`, pointer: i, pictures: 10, name: `shard ${i}` };
    },
    resultKey: ({ id }: Shard) => `results/${id}`,
    finished: async () => results,
    async run({ id }, { onProgress } = {}) {
      if (id === failing) throw new DataError('No space', { code: 'disk/full' });
      onProgress?.(5);
      ran.push(id);
      results.add(`results/${id}`);
      return { pictures: 10, failures: 1, seconds: 0, bytesRead: 0 };
    },
    begin: async () => undefined,
    finish: async () => ({ shards: n, pictures: 10 * n, failures: n }),
    close: async () => {},
  };
}

describe('the queue in this process', () => {
  it('has spans for the job and its shards, if the program records them', async () => {
    const exporter = new InMemorySpanExporter();
    const spanProcessors = [new SimpleSpanProcessor(exporter)];
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }));
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    await localQueue.run(countedWork(2, new Set()));
    trace.disable();
    context.disable();
    const [first, second, job] = exporter.getFinishedSpans();
    expect([first, second, job].map((span) => span?.name)).toEqual(['shard', 'shard', 'job']);
    for (const shard of [first, second])
      expect(shard?.parentSpanContext?.spanId).toBe(job?.spanContext().spanId);
    expect(job?.attributes).toEqual({ 'tip_adapter.run': 'run', 'tip_adapter.work': 'embed' });
  });

  it('does every shard once, in order, and only what is missing', async () => {
    const results = new Set(['results/1']);
    const work = countedWork(4, results);
    const told: RunProgress[] = [];
    await localQueue.run(work, { onProgress: (progress) => told.push(progress) });
    expect(work.ran).toEqual(['0', '2', '3']);
    const now = 'shard 3';
    expect(told.at(-1)).toEqual({ shards: 4, kept: 1, pictures: 40, total: 40, failures: 3, now });
    expect(told.map(({ pictures }) => pictures)).toEqual([0, 5, 10, 20, 20, 25, 30, 30, 35, 40]);
    const again = countedWork(4, results);
    await localQueue.run(again);
    expect(again.ran).toEqual([]);
  });

  it('keeps what was done before an error and before an interruption', async () => {
    const results = new Set<string>();
    await expect(localQueue.run(countedWork(4, results, '2'))).rejects.toThrow('No space');
    expect([...results]).toEqual(['results/0', 'results/1']);
    const stop = new AbortController();
    const work = countedWork(4, results);
    const run = localQueue.run(work, {
      signal: stop.signal,
      onProgress: ({ shards }) => shards === 3 && stop.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
    expect(work.ran).toEqual(['2']);
  });
});
