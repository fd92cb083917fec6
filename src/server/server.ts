import type { EncoderReference } from '../classifier/types.ts';
import { closable } from '../closable.ts';
import { currentNames } from '../deprecation.ts';
import type { Encoder } from '../encoder/types.ts';
import { UsageError } from '../errors.ts';
import { createImageLoader } from '../image/loader.ts';
import { refuseUnknown, resolveOptions } from '../options.ts';
import { telemetry } from '../tracing.ts';
import { version } from '../version.ts';
import { Admission } from './admission.ts';
import { createApp } from './app.ts';
import { EncoderPool } from './encoder-pool.ts';
import { drained, httpServer, listen } from './http.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import { type ModelFile, Registry } from './model-registry.ts';
import { openSamples } from './samples.ts';
import { checkExposure } from './security.ts';
import { type ServerValues, serverOptions } from './server-options.ts';

/** Options of `createServer`: the classifiers, the values of `serverOptions`, and time limits. */
export interface ServerOptions extends Partial<ServerValues> {
  readonly models: readonly ModelFile[];
  /** Receives an event for every request, and other events of the server. */
  readonly log?: Log;
  /** Opens the encoder that a classifier refers to (default: the one of that name on this machine). */
  readonly openEncoder?: (reference: EncoderReference) => Promise<Encoder>;
  /** Time limit for a request's headers and, with `requestTimeout`, for the whole request, in milliseconds. */
  readonly headersTimeout?: number;
  readonly requestTimeout?: number;
  /** Milliseconds between two checks of the files (default: 1,000 for files, 10,000 for objects of a store). */
  readonly pollInterval?: number;
}

/** A server that is ready to listen. */
export interface Server {
  /** Starts to listen, and resolves with the URL. Throws `UsageError` if the port is in use or the address is not of this machine. */
  listen(): Promise<string>;
  /**
   * Stops the server: refuses new requests, waits for running ones until their deadlines, answers the rest with 503, and frees
   * everything.
   */
  close(): Promise<void>;
}

const MIB = 2 ** 20;
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 30_000;

/** The options of programs that the command line does not have. */
const OWN_OPTIONS: readonly (keyof ServerOptions)[] = [
  'models',
  'log',
  'openEncoder',
  'headersTimeout',
  'requestTimeout',
  'pollInterval',
];

/** Memory for request bodies, as a number of bodies of the largest size. */
const LARGEST_BODIES = 8;

/** Throws `UsageError` for options that do not fit together, and if other machines could send requests without a token. */
export function checkServing({
  readOnly,
  changeDeadline,
  host,
  token,
  samples,
  sampleShare,
  sampleSize,
}: Pick<
  ServerValues,
  'readOnly' | 'changeDeadline' | 'host' | 'token' | 'samples' | 'sampleShare' | 'sampleSize'
>): void {
  const { sampleShare: share, sampleSize: size } = serverOptions;
  if (samples === undefined && (sampleShare !== share.default || sampleSize !== size.default)) {
    throw new UsageError('Options sampleShare and sampleSize have no effect without samples', {
      code: 'option/no-effect',
      hint: 'Give the folder for the pictures, or leave these options out.',
    });
  }
  if (readOnly && changeDeadline !== serverOptions.changeDeadline.default) {
    throw new UsageError('Option changeDeadline has no effect with readOnly', {
      code: 'option/no-effect',
      hint: 'Leave out one of the two: a read-only server makes no changes.',
    });
  }
  checkExposure(host, token);
}

/**
 * Makes a server for classifiers: reads their files and loads their encoders. The server does not listen yet. Throws `UsageError` if
 * options do not fit together or if other machines could send requests without a token, and `ModelError` if a classifier or its
 * encoder cannot be used.
 */
export async function createServer(options: ServerOptions): Promise<Server & AsyncDisposable> {
  const given = currentNames(serverOptions, { ...options });
  refuseUnknown(given, [...Object.keys(serverOptions), ...OWN_OPTIONS]);
  const values = resolveOptions(serverOptions, given);
  checkServing(values);
  const { log = () => {}, openEncoder } = options;
  const meter = (await telemetry('metrics'))?.metrics.getMeter('tip-adapter', version);
  const metrics = createMetrics(meter);
  const loader = createImageLoader({
    maxPixels: values.maxMegapixels * 1e6,
  });
  const encoders = new EncoderPool({
    open: openEncoder,
    loader,
    onBatch: (size) => metrics.batches.observe(size),
  });
  try {
    const samples =
      values.samples === undefined
        ? undefined
        : await openSamples({
            folder: values.samples,
            share: values.sampleShare,
            limit: values.sampleSize * MIB,
            onSample: (outcome, error) => {
              metrics.samples.add({ outcome });
              if (error) log('error', 'sample', { error: (error as Error).message });
            },
          });
    const { models, pollInterval } = options;
    const registry = await Registry.open(
      models,
      { encoders, metrics },
      pollInterval,
      ({ name, version, error }) => {
        metrics.reloads.add({ model: name, outcome: error ? 'refused' : 'taken' });
        log(error ? 'error' : 'info', 'reload', { model: name, version, error: error?.message });
      },
    );
    const admission = new Admission({
      queue: values.queue,
      bytes: LARGEST_BODIES * values.maxBody * MIB,
      deadline: values.deadline * 1000,
    });
    const stopping = new AbortController();
    const app = createApp(
      { values, registry, admission, metrics, meter, samples, stopping: stopping.signal },
      log,
    );
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
        await samples?.close();
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
