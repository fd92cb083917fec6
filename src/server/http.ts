import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { systemCode, UsageError } from '../errors.ts';
import {
  answerBroken,
  type BrokenRequest,
  brokenKind,
  brokenRequest,
  brokenResponse,
  writeBroken,
} from './broken.ts';
import { oneAtATime } from './connection-queue.ts';
import type { ServerEnv } from './observe.ts';

export interface HttpOptions {
  /** Time limit for a request's headers and, with `requestTimeout`, for the whole request, in milliseconds. */
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  /** Milliseconds without a byte in either direction after which a connection is closed. It is longer than any deadline. */
  readonly idleTimeout: number;
  /** Called for broken requests, which do not reach the routes. */
  onBroken(request: BrokenRequest): void;
}

/** Largest number of connections. Further ones are closed at once. */
const MOST_CONNECTIONS = 1024;

/** An HTTP server for the app. Node ends slow and broken clients; they too are answered with problem details. */
export function httpServer(app: Hono<ServerEnv>, options: HttpOptions): Server {
  const { headersTimeout, requestTimeout, idleTimeout, onBroken } = options;
  const told = (kind: Parameters<typeof brokenRequest>[0]) => {
    const broken = brokenRequest(kind);
    onBroken(broken);
    return broken;
  };
  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    overrideGlobalObjects: false,
    errorHandler: () => brokenResponse(told('address')),
  });
  const server = createServer(
    { headersTimeout, requestTimeout, connectionsCheckingInterval: 500, requireHostHeader: false },
    oneAtATime(
      (request, response) => {
        request.headers.host = plainHost(request.headers.host);
        return listener(request, response);
      },
      () => told('pipelined'),
    ),
  );
  server.timeout = idleTimeout;
  server.maxConnections = MOST_CONNECTIONS;
  server.on('checkExpectation', (request, response) => answerBroken(told('expect'), request, response));
  server.on('connect', (_request, socket) => writeBroken(told('connect'), socket));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else writeBroken(told(brokenKind(error.code)), socket);
  });
  return server;
}

/** An IPv6 host in the normal form of URLs: [::ffff:7f00:1] for [::ffff:127.0.0.1]. */
function plainHost(host?: string): string | undefined {
  const address = `http://${host}`;
  return host?.startsWith('[') && URL.canParse(address) ? new URL(address).host : host;
}

/** Starts to listen. Resolves with the server's URL. Throws `UsageError` if the port is in use or the address is not of this machine. */
export async function listen(http: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', (error) => reject(listenError(error, host, port)));
    http.listen(port, host, resolve);
  });
  const { address, family, port: bound } = http.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`;
}

/** Milliseconds to wait, after all others, for clients that still send or do not read. */
const LAST_GRACE = 1000;

/** Resolves when all answers are sent. After `patience` milliseconds, calls `stop` to end the remaining requests. */
export async function drained(http: Server, patience: number, stop: () => void): Promise<void> {
  if (!http.listening) return;
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  // Closes connections whose last answer is sent, because Node would wait for another request.
  const idle = setInterval(() => http.closeIdleConnections(), 50);
  const stopped = setTimeout(stop, patience);
  const ended = setTimeout(() => http.closeAllConnections(), patience + LAST_GRACE);
  await closed;
  clearInterval(idle);
  clearTimeout(stopped);
  clearTimeout(ended);
  stop();
}

const LISTEN_HINTS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EADDRINUSE: ['is in use', 'Choose another port with --port.'],
  EADDRNOTAVAIL: [
    'is not an address of this machine',
    'Give an address of this machine, or 0.0.0.0 for all of them.',
  ],
  ENOTFOUND: ['is not a known address', 'Give an address of this machine.'],
  EACCES: ['may not be used', 'Choose another port with --port: ports below 1024 are reserved.'],
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
