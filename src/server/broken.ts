import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE, type Problem, problemOf, Refusal } from './problem.ts';

/** The problem of a request that does not reach the routes, and its name in the log. */
export interface BrokenRequest extends Problem {
  readonly requestId: string;
}

interface Kind {
  readonly status: number;
  readonly message: string;
  readonly hint: string;
  readonly code?: string;
}

const KINDS = {
  late: { status: 408, message: 'The request did not arrive in time', hint: 'Send it faster, or send less.' },
  cut: { status: 400, message: 'The request ended early', hint: 'Send it again.' },
  headers: { status: 431, message: 'The headers are too long', hint: 'Send at most 16 KiB of headers.' },
  noHttp: {
    status: 400,
    message: 'This is not an HTTP request',
    hint: 'Use HTTP/1.1 without TLS, and percent-encode URLs.',
  },
  address: {
    status: 400,
    message: 'The URL or the host of the request is not valid',
    hint: 'Name the server in the header Host, as in 127.0.0.1:8080.',
  },
  expect: {
    status: 417,
    message: 'The server does not support this value of the header Expect',
    hint: 'Leave the header out, or send Expect: 100-continue.',
  },
  connect: {
    status: 501,
    message: 'The server is not a proxy and does not support CONNECT',
    hint: 'GET /openapi.json lists all paths.',
    code: 'server/method',
  },
  pipelined: {
    status: 429,
    message: 'Too many requests wait on one connection',
    hint: 'Wait for answers, or open more connections.',
    code: 'server/pipelined',
  },
} as const satisfies Record<string, Kind>;

export function brokenRequest(kind: keyof typeof KINDS): BrokenRequest {
  const { status, message, hint, code = 'server/http' }: Kind = KINDS[kind];
  return { ...problemOf(new Refusal(status, message, { code, hint })), requestId: randomUUID() };
}

/** The kind of a broken request, by Node's error code. */
export function brokenKind(code: string | undefined): keyof typeof KINDS {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'late';
  if (code === 'HPE_INVALID_EOF_STATE') return 'cut';
  return code === 'HPE_HEADER_OVERFLOW' ? 'headers' : 'noHttp';
}

const headersOf = ({ requestId }: BrokenRequest) => ({
  connection: 'close',
  'content-type': PROBLEM_TYPE,
  'x-content-type-options': 'nosniff',
  'x-request-id': requestId,
});

export function brokenResponse(broken: BrokenRequest): Response {
  return new Response(JSON.stringify(broken), { status: broken.status, headers: headersOf(broken) });
}

/** Answers requests that Node does not pass to the routes. */
export function answerBroken(
  broken: BrokenRequest,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  request.resume();
  response.writeHead(broken.status, headersOf(broken)).end(JSON.stringify(broken));
}

/** Writes the answer directly to the socket, because there is no request that a route could answer. */
export function writeBroken(broken: BrokenRequest, socket: Duplex): void {
  const body = JSON.stringify(broken);
  const headers = { ...headersOf(broken), 'content-length': Buffer.byteLength(body) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // The socket is destroyed, because a client that does not close its side would keep the connection open.
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${broken.status} ${STATUS_CODES[broken.status]}\r\n${lines.join('')}\r\n${body}`);
}
