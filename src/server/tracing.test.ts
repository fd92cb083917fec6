import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { telemetry, traced } from '../tracing.ts';
import { fittedAnimals, form, PREDICT, serve, slowEncoder } from './serve.fixture.ts';

const animals = fittedAnimals();

/** Registers the SDK, as a program does that `node --import` loads first. */
function recording() {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator({
    fields: () => ['traceparent'],
    inject: () => {},
    extract: (to, { traceparent = '' }) => {
      const [, traceId = '', spanId = ''] = String(traceparent).split('-');
      return traceId ? trace.setSpanContext(to, { traceId, spanId, traceFlags: 1, isRemote: true }) : to;
    },
  });
  return exporter;
}

afterEach(() => {
  for (const api of [trace, context, propagation, metrics]) api.disable();
});

const body = () => ({ method: 'POST', body: form({ 'secret.png': animals.cat, 'b.png': animals.dog }) });

describe('OpenTelemetry', () => {
  it('is not imported if no program has registered it', async () => {
    expect(await telemetry('trace')).toBeUndefined();
    expect(await traced('anything', {}, async (note) => note({ a: 1 }))).toBeUndefined();
  });

  it('has a span for request, decode, batch, encode and score, in the trace of the client', async () => {
    const spans = recording();
    const server = await serve({ models: [await animals.copy('traced')] });
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    expect((await server.ask(PREDICT, { ...body(), headers: { traceparent } })).status).toBe(200);
    const found = await vi.waitFor(() => {
      const all = spans.getFinishedSpans().filter((span) => span.spanContext().traceId === 'a'.repeat(32));
      expect(all.map(({ name }) => name)).toContain('request');
      return all;
    });
    const named = (name: string) => found.filter((span) => span.name === name);
    const [request] = named('request') as [ReadableSpan];
    expect(request.parentSpanContext?.spanId).toBe('b'.repeat(16));
    expect(request.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/models/:model/predict',
      'http.response.status_code': 200,
      'tip_adapter.model': 'animals',
      'tip_adapter.pictures': 2,
    });
    const parentOf = ({ parentSpanContext }: ReadableSpan) =>
      found.find((span) => span.spanContext().spanId === parentSpanContext?.spanId)?.name;
    expect(found.map((span) => [parentOf(span), span.name]).sort()).toEqual(
      [
        [undefined, 'request'],
        ['request', 'decode'],
        ['request', 'decode'],
        ['request', 'batch'],
        ['batch', 'encode'],
        ['request', 'score'],
      ].sort(),
    );
    expect(JSON.stringify(found.map(({ attributes }) => attributes))).not.toContain('secret');
  });

  it('puts the computation of a batch into the trace of its first request', async () => {
    const spans = recording();
    const encoder = slowEncoder(100);
    const server = await serve({ models: [await animals.copy('many')], openEncoder: async () => encoder });
    await Promise.all(Array.from({ length: 4 }, () => server.ask(PREDICT, body())));
    const finished = spans.getFinishedSpans();
    const batches = finished.filter(({ name }) => name === 'batch');
    const encodes = finished.filter(
      ({ name, parentSpanContext }) => name === 'encode' && parentSpanContext !== undefined,
    );
    expect(batches).toHaveLength(4);
    const parents = encodes.map((span) => span.parentSpanContext?.spanId);
    expect(new Set(parents).size).toBe(encodes.length);
    for (const parent of parents) expect(batches.map((span) => span.spanContext().spanId)).toContain(parent);
    const requests = encodes.map((span) => Number(span.attributes['tip_adapter.requests']));
    expect(requests.reduce((sum, count) => sum + count, 0)).toBe(4);
  });

  it('marks the span of work that fails', async () => {
    const spans = recording();
    await expect(traced('job', {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(spans.getFinishedSpans()[0]).toMatchObject({ name: 'job', status: { code: 2, message: 'no' } });
  });

  it('has the metrics of /metrics', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e6 });
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
    const server = await serve({ models: [await animals.copy('metered')] });
    await server.ask(PREDICT, body());
    await reader.forceFlush();
    const told = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((s) => s.metrics));
    const value = (name: string) =>
      told.find(({ descriptor }) => descriptor.name === name)?.dataPoints[0]?.value;
    expect(value('tip_adapter_pictures')).toBe(2);
    expect(value('tip_adapter_batch_size')).toMatchObject({ sum: expect.any(Number) });
    expect(value('tip_adapter_queue_pictures')).toBe(0);
    expect(value('tip_adapter_answer_probability')).toMatchObject({ count: 2 });
  });
});
