import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { DataError, ModelError, throwIfAborted } from '../errors.ts';
import { count, number } from '../words.ts';
import { diskError, moveFile, writeFileAtomic } from './atomic.ts';
import { type Checked, checkFile, type Expected } from './checksum.ts';
import { isLfsPointer, LARGEST_POINTER, lfsPointer } from './lfs-pointer.ts';
import { withLock } from './lock.ts';
import {
  backOff,
  isBusy,
  isPassing,
  MAX_FAILURES,
  type NetworkOptions,
  proxyFetch,
  reason,
  refusal,
  unreachable,
} from './network.ts';

/** Progress of a download: bytes on the disk so far, and the total if the server gives it. */
export interface Progress {
  received: number;
  total?: number;
}

export interface DownloadRequest extends Expected, NetworkOptions {
  url: string;
  /** Path of the complete file. Until it is complete, its bytes are in `path + '.part'`. */
  path: string;
  /** Request headers. A redirect to another host drops `authorization`. */
  headers?: Record<string, string>;
  onProgress?: (progress: Progress) => void;
  /** The hint of the error if the server denies access. */
  accessHint?: string;
}

export interface Downloaded extends Checked {
  path: string;
  etag?: string;
}

const HUB_ACCESS =
  'Set HF_TOKEN to a token with access. For a gated model, first accept its terms on its page.';

/**
 * Downloads a file. It continues the download of an earlier run (only if the server's strong ETag is the same), retries after
 * temporary failures, checks size and hashes, and renames the file at the end. If the file exists and is as expected, it is used
 * without the network. Processes that download to the same path wait for one another.
 * Throws `ModelError` `network/…` (unreachable, denied, not-found, cut) or `checksum/…` (the bytes are deleted), `DataError` `disk/…`,
 * and `InterruptedError` (the bytes are kept, and the next run continues).
 */
export async function download(request: DownloadRequest): Promise<Downloaded> {
  const there = await alreadyThere(request);
  if (there) return there;
  return withLock(
    `${request.path}.lock`,
    async () => (await alreadyThere(request)) ?? fetchAndCheck(request),
    request.signal,
  );
}

async function alreadyThere(request: DownloadRequest): Promise<Downloaded | undefined> {
  const { path } = request;
  const size = await sizeOf(path);
  if (size === undefined) return undefined;
  try {
    const checked = await checkFile(path, request, request.signal);
    // A process that was killed after the renaming has left this file behind.
    await rm(`${path}.part.json`, { force: true });
    request.onProgress?.({ received: size, total: size });
    return { path, ...checked };
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}

async function fetchAndCheck(request: DownloadRequest): Promise<Downloaded> {
  const { path } = request;
  const part = `${path}.part`;
  const etag = await receive(request, part);
  let checked: Checked;
  try {
    checked = await checkFile(part, request, request.signal);
  } catch (error) {
    if (error instanceof ModelError) await dropPart(part);
    throw error instanceof ModelError ? fromUrl(error, request) : error;
  }
  try {
    await moveFile(part, path);
  } catch (error) {
    throw diskError(error, path);
  }
  await dropPart(part);
  return { path, ...checked, etag };
}

/** The same error, with the URL of the download in place of the path of the file. */
function fromUrl(error: ModelError, { url, path }: DownloadRequest): ModelError {
  const { code, hint, details } = error;
  return new ModelError(error.message.replace(`${path}.part`, url), {
    code,
    hint,
    details: { ...details, path, url },
  });
}

/** Fills the part file. It tries again until too many attempts in a row make no progress. Returns the ETag. */
async function receive(request: DownloadRequest, part: string): Promise<string | undefined> {
  let failures = 0;
  let best = (await sizeOf(part)) ?? 0;
  for (;;) {
    throwIfAborted(request.signal);
    const attempt = await receiveOnce(request, part);
    if (attempt.done) return attempt.etag;
    const received = (await sizeOf(part)) ?? 0;
    // A few bytes from a connection that breaks do not count as progress.
    failures = received >= best + WORTHWHILE ? 1 : failures + 1;
    best = Math.max(best, received);
    if (failures >= MAX_FAILURES) throw gaveUp(request, attempt, received);
    await backOff(failures, request, attempt.response);
  }
}

const WORTHWHILE = 1 << 20;

interface Attempt {
  done: boolean;
  etag?: string;
  total?: number;
  /** The failure, if another attempt may succeed. */
  failure?: unknown;
  response?: Response;
}

async function receiveOnce(request: DownloadRequest, part: string): Promise<Attempt> {
  const { url, signal } = request;
  const resume = await resumable(request, part);
  if (resume?.whole) return { done: true, etag: resume.etag };
  const send = request.fetch ?? (await proxyFetch());
  let response: Response;
  try {
    response = await send(url, { headers: { ...request.headers, ...rangeHeaders(resume) }, signal });
  } catch (failure) {
    throwIfAborted(signal);
    if (!isPassing(failure)) throw unreachable(failure, url);
    return { done: false, failure };
  }
  if (response.status !== 200 && response.status !== 206) return refused(request, part, response);
  const start = response.status === 206 ? resume?.received : 0;
  const { total, from } = extent(response);
  if (start === undefined || (response.status === 206 && from !== start)) {
    await response.body?.cancel();
    await dropPart(part);
    return {
      done: false,
      failure: new Error('the server sent a range that was not requested'),
      response,
    };
  }
  if (total !== undefined && request.size !== undefined && total !== request.size) {
    if (total > LARGEST_POINTER) await response.body?.cancel();
    else if (isLfsPointer(await response.text().catch(() => ''))) throw lfsPointer(url);
    throw wrongSize(request, total);
  }
  return save(request, part, response, start, total ?? request.size);
}

async function refused(request: DownloadRequest, part: string, response: Response): Promise<Attempt> {
  await response.body?.cancel();
  if (response.status === 416) {
    await dropPart(part);
    return { done: false, failure: new Error('the file on the server has changed'), response };
  }
  if (isBusy(response.status)) {
    return {
      done: false,
      failure: new Error(`the server answered with status ${response.status}`),
      response,
    };
  }
  throw refusal(response, request.url, request.accessHint ?? HUB_ACCESS);
}

/** Writes the response's bytes into the part file, from position `start` on. */
async function save(
  request: DownloadRequest,
  part: string,
  response: Response,
  start: number,
  total: number | undefined,
): Promise<Attempt> {
  const { path, url, signal, onProgress } = request;
  const etag = response.headers.get('etag') ?? undefined;
  await prepareDisk(request, part, { url, etag, total }, (total ?? start) - start);
  let received = start;
  onProgress?.({ received, total });
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      if (total !== undefined && received > total) return done(wrongSize(request, received));
      onProgress?.({ received, total });
      done(null, chunk);
    },
  });
  try {
    const body = Readable.fromWeb((response.body ?? new Blob([]).stream()) as ReadableStream);
    await pipeline(body, count, createWriteStream(part, { flags: start > 0 ? 'a' : 'w', flush: true }), {
      signal,
    });
  } catch (failure) {
    throwIfAborted(signal);
    if (isDisk(failure)) throw diskError(failure, path);
    if (failure instanceof ModelError) {
      await dropPart(part);
      throw failure;
    }
    return { done: false, failure, total };
  }
  const done = total === undefined || received === total;
  return { done, etag, total, failure: done ? undefined : new Error('the connection ended early') };
}

/** Whether a failure is the disk's: connections fail with system codes too, but not in these calls. */
function isDisk(failure: unknown): boolean {
  return ['open', 'write', 'fsync', 'close'].includes(String((failure as { syscall?: unknown }).syscall));
}

/** Makes the folder, records the origin of the part file, and refuses a download that the disk has no room for. */
async function prepareDisk(
  request: DownloadRequest,
  part: string,
  origin: Origin,
  missing: number,
): Promise<void> {
  try {
    await mkdir(dirname(part), { recursive: true });
    const { bavail, bsize } = await statfs(dirname(part));
    if (missing > bavail * bsize) {
      throw new DataError(
        `${request.path} needs ${megabytes(missing)} more, and the disk has ${megabytes(bavail * bsize)} left`,
        {
          code: 'disk/full',
          hint: 'Free some space, or set TIP_ADAPTER_HOME to a folder on another disk.',
          details: { path: request.path, missing, free: bavail * bsize },
        },
      );
    }
    await writeFileAtomic(`${part}.json`, JSON.stringify(origin));
  } catch (error) {
    throw diskError(error, part);
  }
}

/** The origin of a part file. */
interface Origin {
  url: string;
  etag?: string;
  total?: number;
}

interface Resume {
  received: number;
  etag: string;
  /** Whether the part is complete: the earlier run ended between the last byte and the renaming. */
  whole: boolean;
}

/** The part that an earlier run left, if it can be continued. A strong ETag must show that the file on the server is the same. */
async function resumable({ url }: DownloadRequest, part: string): Promise<Resume | undefined> {
  const received = await sizeOf(part);
  if (!received) return undefined;
  try {
    const origin: Origin = JSON.parse(await readFile(`${part}.json`, 'utf8'));
    const { etag, total } = origin;
    if (origin.url !== url || !etag?.startsWith('"')) return undefined;
    return { received, etag, whole: received === total };
  } catch {
    return undefined;
  }
}

function rangeHeaders(resume: Resume | undefined): Record<string, string> {
  // With compression, ranges and lengths would not be those of the file.
  const identity = { 'accept-encoding': 'identity' };
  return resume ? { ...identity, range: `bytes=${resume.received}-`, 'if-range': resume.etag } : identity;
}

/** Size of the whole file, and the position at which this response begins. */
function extent(response: Response): { total?: number; from: number } {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (range) return { from: Number(range[1]), total: Number(range[2]) };
  const length = response.headers.get('content-length');
  const plain = (response.headers.get('content-encoding') ?? 'identity') === 'identity';
  return { from: 0, total: response.status === 200 && length !== null && plain ? Number(length) : undefined };
}

async function dropPart(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.json`, { force: true });
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (info) => info.size,
    () => undefined,
  );
}

function wrongSize({ url, path, size }: DownloadRequest, actual: number): ModelError {
  return new ModelError(
    `${url} has ${count(actual, 'byte')} instead of ${size === undefined ? 'fewer' : number(size)}`,
    {
      code: 'checksum/size',
      hint: 'The file was changed at its source, and is not used. Choose another source or revision.',
      details: { url, path, expected: size, actual },
    },
  );
}

function gaveUp({ url, path }: DownloadRequest, { failure, total }: Attempt, received: number): Error {
  if (received === 0 && failure instanceof TypeError) return unreachable(failure, url);
  const of = total === undefined ? '' : ` of ${megabytes(total)}`;
  return new ModelError(
    `The download of ${url} stopped after ${megabytes(received)}${of}: ${reason(failure)}`,
    {
      code: 'network/cut',
      hint: 'Run the same command again: it continues where it stopped.',
      details: { url, path, received, total },
      cause: failure,
    },
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
