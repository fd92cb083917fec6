import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { EncoderReference } from '../classifier/types.ts';
import type { Encoder } from '../encoder/types.ts';
import { systemCode, UsageError } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { resolveOptions } from '../options.ts';
import { Admission } from './admission.ts';
import { createApp } from './app.ts';
import { Encoders } from './encoders.ts';
import type { Log } from './log.ts';
import { createMetrics } from './measures.ts';
import type { ServerEnv } from './observe.ts';
import { type ServerValues, serverOptions } from './options.ts';
import { problemOf, Refusal } from './problem.ts';
import { type ModelFile, Registry } from './registry.ts';
import { checkExposure } from './security.ts';

export interface ServerOptions extends Partial<ServerValues> {
  readonly models: readonly ModelFile[];
  /** Told of every request and of every classifier that was taken over. */
  readonly log?: Log;
  /** Opens the encoder that a classifier refers to (default: the one of that name on this machine). */
  readonly openEncoder?: (reference: EncoderReference) => Promise<Encoder>;
  /** Milliseconds for a request's headers to come, and for all of it. */
  readonly headersTimeout?: number;
  readonly requestTimeout?: number;
  /** Milliseconds between two looks at the files. */
  readonly pollInterval?: number;
}

export interface Server {
  readonly app: Hono<ServerEnv>;
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

/** Bodies of this many largest requests may be in memory at a time. */
const LARGEST_BODIES = 8;

/** Connections beyond are closed at once. */
const MOST_CONNECTIONS = 1024;

/**
 * A server for classifiers, ready to listen: their files are read and their encoders loaded. Throws `UsageError` where others
 * than this machine could ask without a token, and `ModelError` where a classifier or its encoder cannot be used.
 */
export async function createServer(options: ServerOptions): Promise<Server> {
  const values = resolveOptions(serverOptions, { ...options });
  const { log = () => {}, openEncoder } = options;
  checkExposure(values.host, values.token);
  const metrics = createMetrics();
  const loader = createImageLoader();
  const encoders = new Encoders({
    open: openEncoder,
    loader: withLimit(loader, values.maxMegapixels * 1e6),
    onBatch: (size) => metrics.batches.observe(size),
  });
  try {
    const registry = await Registry.open(
      options.models,
      encoders,
      options.pollInterval ?? POLL_INTERVAL,
      ({ name, error }) => {
        metrics.reloads.add({ model: name, outcome: error ? 'refused' : 'taken' });
        if (error) log('error', 'reload', { model: name, error: error.message });
        else log('info', 'reload', { model: name, version: registry.get(name).data.version });
      },
    );
    const admission = new Admission({
      queue: values.queue,
      bytes: LARGEST_BODIES * values.maxBody * MIB,
      deadline: values.deadline * 1000,
    });
    const stopping = new AbortController();
    const app = createApp({ values, registry, admission, metrics, stopping: stopping.signal }, log);
    const http = httpServer(app, options);
    return {
      app,
      listen: () => listen(http, values),
      close: async () => {
        admission.close();
        await drained(http, values.deadline * 1000, () => stopping.abort());
        await registry.close();
        await loader.close();
      },
    };
  } catch (error) {
    await loader.close();
    throw error;
  }
}

function withLimit(loader: ImageLoader, maxPixels: number): ImageLoader {
  return {
    ...loader,
    load: (bytes, request, signal) => loader.load(bytes, { ...request, maxPixels }, signal),
  };
}

/** Slow and broken clients are Node's to end: what never becomes a request never reaches the routes. */
function httpServer(
  app: Hono<ServerEnv>,
  { headersTimeout = HEADERS_TIMEOUT, requestTimeout = REQUEST_TIMEOUT }: ServerOptions,
): HttpServer {
  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    overrideGlobalObjects: false,
  });
  const timeouts = { headersTimeout, requestTimeout, connectionsCheckingInterval: 500 };
  const server = createHttpServer(timeouts, listener);
  server.maxConnections = MOST_CONNECTIONS;
  server.on('clientError', refuseBroken);
  return server;
}

const BROKEN: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not come in time'],
  HPE_HEADER_OVERFLOW: [431, 'The headers are too long'],
};

/** The answer to what is no request, written by hand: there is nothing that a route could answer. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = BROKEN[error.code ?? ''] ?? [400, 'This is no HTTP request'];
  const problem = problemOf(new Refusal(status, message, { code: 'server/http' }));
  const body = JSON.stringify(problem);
  // A client that does not close its side would keep the body that it began.
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${problem.title}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n` +
      `x-content-type-options: nosniff\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

async function listen(http: HttpServer, { host, port }: ServerValues): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', (error) => reject(listenError(error, host, port)));
    http.listen(port, host, resolve);
  });
  const { address, family, port: bound } = http.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`;
}

/** Resolves when all answers are sent; those that are not by then are ended after `patience` milliseconds. */
async function drained(http: HttpServer, patience: number, stop: () => void): Promise<void> {
  if (!http.listening) return;
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  const stopped = setTimeout(stop, patience);
  // Whoever is still sending, or not reading, is not waited for.
  const ended = setTimeout(() => http.closeAllConnections(), patience + 1000);
  await closed;
  clearTimeout(stopped);
  clearTimeout(ended);
  stop();
}

const LISTEN_HINTS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EADDRINUSE: ['is taken', 'Choose another one with --port.'],
  EADDRNOTAVAIL: ['is not an address of this machine', 'Give one of its own, or 0.0.0.0 for all of them.'],
  ENOTFOUND: ['is not known', 'Give an address of this machine.'],
  EACCES: ['may not be used', 'Ports below 1024 are reserved; choose another one with --port.'],
};

function listenError(error: unknown, host: string, port: number): unknown {
  const [what, hint] = LISTEN_HINTS[systemCode(error) ?? ''] ?? [];
  if (!what) return error;
  return new UsageError(`${host}:${port} ${what}`, {
    code: 'server/listen',
    hint,
    details: { host, port },
    cause: error,
  });
}
