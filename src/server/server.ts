import type { EncoderReference } from '../classifier/types.ts';
import { closable } from '../closable.ts';
import { currentNames } from '../deprecation.ts';
import type { Encoder } from '../encoder/types.ts';
import { UsageError } from '../errors.ts';
import { createImageLoader } from '../image/loader.ts';
import { refuseUnknown, resolveOptions } from '../options.ts';
import { Admission } from './admission.ts';
import { createApp } from './app.ts';
import { EncoderPool } from './encoder-pool.ts';
import { drained, httpServer, listen } from './http.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import { type ModelFile, Registry } from './model-registry.ts';
import { checkExposure } from './security.ts';
import { type ServerValues, serverOptions } from './server-options.ts';

/** What a server is made of: its classifiers, the values of `serverOptions`, and times. */
export interface ServerOptions extends Partial<ServerValues> {
  readonly models: readonly ModelFile[];
  /** Told of every request, and of what happens between them. */
  readonly log?: Log;
  /** Opens the encoder that a classifier refers to (default: the one of that name on this machine). */
  readonly openEncoder?: (reference: EncoderReference) => Promise<Encoder>;
  /** Milliseconds for a request's headers to come, and for all of it. */
  readonly headersTimeout?: number;
  readonly requestTimeout?: number;
  /** Milliseconds between two looks at the files. */
  readonly pollInterval?: number;
}

/** A server that is ready to listen. */
export interface Server {
  /** Starts to listen; resolves with the address. Throws `UsageError` where the port is taken or the address is another machine's. */
  listen(): Promise<string>;
  /**
   * Takes no further request, waits for those under way (no longer than their deadline), answers what is left with 503, and
   * frees everything.
   */
  close(): Promise<void>;
}

const MIB = 2 ** 20;
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 30_000;
const POLL_INTERVAL = 1_000;

/** What programs can tell a server, beside what the command line can. */
const OWN_OPTIONS: readonly (keyof ServerOptions)[] = [
  'models',
  'log',
  'openEncoder',
  'headersTimeout',
  'requestTimeout',
  'pollInterval',
];

/** Bodies of this many largest requests may be in memory at a time. */
const LARGEST_BODIES = 8;

/** Throws `UsageError` for options that do not fit together, and where others than this machine could ask without a token. */
export function checkServing({
  readOnly,
  changeDeadline,
  host,
  token,
}: Pick<ServerValues, 'readOnly' | 'changeDeadline' | 'host' | 'token'>): void {
  if (readOnly && changeDeadline !== serverOptions.changeDeadline.default) {
    throw new UsageError('Option changeDeadline has no effect with readOnly', {
      code: 'option/no-effect',
      hint: 'There are no changes: leave out one of the two.',
    });
  }
  checkExposure(host, token);
}

/**
 * A server for classifiers, ready to listen: their files are read and their encoders loaded. Throws `UsageError` where others
 * than this machine could ask without a token, and `ModelError` where a classifier or its encoder cannot be used.
 */
export async function createServer(options: ServerOptions): Promise<Server & AsyncDisposable> {
  const given = currentNames(serverOptions, { ...options });
  refuseUnknown(given, [...Object.keys(serverOptions), ...OWN_OPTIONS]);
  const values = resolveOptions(serverOptions, given);
  checkServing(values);
  const { log = () => {}, openEncoder } = options;
  const metrics = createMetrics();
  const loader = createImageLoader({
    maxPixels: values.maxMegapixels * 1e6,
  });
  const encoders = new EncoderPool({
    open: openEncoder,
    loader,
    onBatch: (size) => metrics.batches.observe(size),
  });
  try {
    const { models, pollInterval = POLL_INTERVAL } = options;
    const registry = await Registry.open(models, encoders, pollInterval, ({ name, version, error }) => {
      metrics.reloads.add({ model: name, outcome: error ? 'refused' : 'taken' });
      log(error ? 'error' : 'info', 'reload', { model: name, version, error: error?.message });
    });
    const admission = new Admission({
      queue: values.queue,
      bytes: LARGEST_BODIES * values.maxBody * MIB,
      deadline: values.deadline * 1000,
    });
    const stopping = new AbortController();
    const app = createApp({ values, registry, admission, metrics, stopping: stopping.signal }, log);
    const { headersTimeout = HEADERS_TIMEOUT, requestTimeout = REQUEST_TIMEOUT } = options;
    const http = httpServer(app, {
      headersTimeout,
      requestTimeout,
      idleTimeout: 1000 * Math.max(values.deadline, values.changeDeadline) + requestTimeout,
      onBroken: ({ requestId, status, code, detail }) => {
        metrics.requests.add({ route: 'none', method: 'none', status });
        log('info', 'broken-request', { id: requestId, status, code, detail });
      },
    });
    return closable<Server>({
      listen: async () => {
        const address = await listen(http, values.host, values.port);
        log('info', 'listening', { address, models: registry.all.map(({ name }) => name) });
        return address;
      },
      close: async () => {
        admission.close();
        const { listening } = http;
        if (listening) log('info', 'stopping', { pictures: admission.pictures });
        await drained(http, values.deadline * 1000, () => stopping.abort());
        await registry.close();
        await loader.close();
        if (listening) log('info', 'stopped');
      },
    });
  } catch (error) {
    await loader.close();
    throw error;
  }
}
