import { version } from './version.ts';

type Api = typeof import('@opentelemetry/api');

/** Facts of a span: names and numbers, never a picture's name or content. */
export type SpanFacts = Readonly<Record<string, string | number | undefined>>;

/** Adds facts to a span that are known only during its work. */
export type NoteFacts = (facts: SpanFacts) => void;

interface TraceOptions {
  /** Headers of a request, which may name the span of the caller. The span is then one of a server. */
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** The key of the global under which OpenTelemetry's API, version 1, keeps what a program has registered. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

const isRegistered = (kind: string): boolean =>
  kind in Object((globalThis as Record<symbol, unknown>)[REGISTERED]);

let imported: Promise<Api | undefined> | undefined;

/**
 * OpenTelemetry's API, if the program has registered a provider of this kind, else undefined. The package is imported only then, so that
 * it need not be installed and costs nothing.
 */
export async function telemetry(kind: 'trace' | 'metrics'): Promise<Api | undefined> {
  if (!isRegistered(kind)) return undefined;
  imported ??= import('@opentelemetry/api').catch(() => {
    process.emitWarning(
      'OpenTelemetry is registered, but nothing is recorded: install @opentelemetry/api beside tip-adapter.',
    );
    return undefined;
  });
  return imported;
}

const ignore: NoteFacts = () => {};

/** Does work within a span, if the program records spans. Spans that begin during the work are its children. */
export function traced<T>(
  name: string,
  facts: SpanFacts,
  work: (note: NoteFacts) => Promise<T>,
  options: TraceOptions = {},
): Promise<T> {
  return isRegistered('trace') ? recorded(name, facts, work, options) : work(ignore);
}

async function recorded<T>(
  name: string,
  facts: SpanFacts,
  work: (note: NoteFacts) => Promise<T>,
  { headers }: TraceOptions,
): Promise<T> {
  const api = await telemetry('trace');
  if (!api) return work(ignore);
  const { context, propagation, SpanKind, SpanStatusCode, trace } = api;
  const active = context.active();
  const parent = headers && !trace.getSpan(active) ? propagation.extract(active, headers) : active;
  const kind = headers ? SpanKind.SERVER : SpanKind.INTERNAL;
  const tracer = trace.getTracer('tip-adapter', version);
  return tracer.startActiveSpan(name, { kind, attributes: facts }, parent, async (span) => {
    try {
      return await work((further) => span.setAttributes(further));
    } catch (error) {
      span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      throw error;
    } finally {
      span.end();
    }
  });
}
