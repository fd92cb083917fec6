import { availableParallelism } from 'node:os';
import { type Abortable, onAbort } from '../abort.ts';
import { closable } from '../closable.ts';
import { signalOf } from '../deprecation.ts';
import { closedError, InterruptedError, systemCode } from '../errors.ts';
import { type Decoder, DIED, startDecoder } from './decoder.ts';
import type { Job } from './jobs.ts';
import { tooSlow } from './refusals.ts';
import { MAX_PIXELS, type Pixels, type Preprocessing, type View } from './types.ts';

/** What is made of a picture: the size and the numbers that an encoder takes, once for each view. */
export interface LoadRequest {
  readonly spec: Preprocessing;
  readonly views: readonly View[];
  /** Decides the random crops, together with the picture's own bytes and the view's number. */
  readonly seed: number | string;
  readonly exif?: boolean;
}

/** Bounds of a loader. */
export interface LoaderOptions {
  /** Processes that decode, started as they are needed (default: two, or one on a machine of one core). */
  readonly decoders?: number;
  /** Pictures of more pixels are refused (default: 100 megapixels). The memory of a decoder follows from it. */
  readonly maxPixels?: number;
  /** Longest time for a picture (default 20). */
  readonly seconds?: number;
}

/**
 * Decodes, resizes and crops in processes of its own. Each picture is bounded in time and memory: the process that goes beyond
 * is ended and replaced.
 */
export interface ImageLoader {
  /**
   * One crop for each view; the picture is decoded once. Throws `DataError` as `decode` does, and with `image/too-slow`,
   * `image/too-much-memory` and `image/decoder-died` (two processes in turn ended); `InterruptedError` when the signal fires or
   * the loader is closed meanwhile; `UsageError` when it was closed before; `TipAdapterError` `image/no-decoder` where no process
   * can be started or sharp is not installed.
   */
  load(bytes: Uint8Array, request: LoadRequest, work?: Abortable): Promise<Pixels[]>;
  /** A small JPEG whose longer side has `side` pixels. Throws as `load`. */
  thumbnail(bytes: Uint8Array, side: number, work?: Abortable): Promise<Uint8Array>;
  /** Ends the processes; what still waits is rejected with `InterruptedError`. */
  close(): Promise<void>;
}

interface Waiting {
  readonly job: Job;
  readonly bytes: Uint8Array;
  /** Whether a decoder has ended while it was at this picture. */
  retried: boolean;
  resolve(results: readonly Uint8Array[]): void;
  reject(error: Error): void;
}

/**
 * Milliseconds that a decoder may go on with a picture that no one waits for any more. Most pictures take less, and starting
 * another process takes more.
 */
const GRACE = 100;

/** Longest time for a picture, in seconds. */
const SECONDS = 20;

/** Bytes that a decoder may take: for itself, and for each pixel of the largest picture. AVIF and HEIC take the most. */
const OWN_MEMORY = 300e6;
const MEMORY_OF_PIXEL = 20;

function endedError(): InterruptedError {
  return new InterruptedError('The image loader was closed');
}

/** A loader of pictures with its own processes, which start when they are needed. The caller closes it. */
export function createImageLoader({
  decoders: most = Math.min(2, availableParallelism()),
  maxPixels = MAX_PIXELS,
  seconds = SECONDS,
}: LoaderOptions = {}): ImageLoader & AsyncDisposable {
  const memory = OWN_MEMORY + MEMORY_OF_PIXEL * maxPixels;
  const queue: Waiting[] = [];
  const starting = new Set<Decoder>();
  const idle: Decoder[] = [];
  const busy = new Map<Decoder, Waiting>();
  const ending = new Set<Promise<void>>();
  let closed = false;

  function start(): void {
    const decoder = startDecoder({ memory });
    starting.add(decoder);
    decoder.ready.then(
      () => {
        if (!starting.delete(decoder)) return;
        rest(decoder);
      },
      (error) => {
        if (!starting.delete(decoder)) return;
        end(decoder);
        // Where others run, this one was too much for the machine: what waits waits for them.
        if (starting.size + idle.length + busy.size === 0)
          for (const waiting of queue.splice(0)) waiting.reject(error);
      },
    );
  }

  /** A decoder that is idle keeps no program from ending. */
  function rest(decoder: Decoder): void {
    if (decoder.alive) idle.push(decoder);
    decoder.hold(false);
    next();
  }

  function end(decoder: Decoder): void {
    const ended = decoder.kill().finally(() => ending.delete(ended));
    ending.add(ended);
  }

  /** Ends the decoder that still works on a picture; the next picture gets another one. */
  function giveUp(waiting: Waiting): void {
    const [decoder] = [...busy].find(([, other]) => other === waiting) ?? [];
    if (!decoder) return;
    busy.delete(decoder);
    end(decoder);
    next();
  }

  function next(): void {
    while (idle.length > 0 && queue.length > 0) {
      const decoder = idle.pop() as Decoder;
      if (decoder.alive) void work(decoder, queue.shift() as Waiting);
    }
    while (starting.size < queue.length && starting.size + idle.length + busy.size < most) start();
  }

  async function work(decoder: Decoder, waiting: Waiting): Promise<void> {
    busy.set(decoder, waiting);
    decoder.hold(true);
    const limit = setTimeout(() => {
      waiting.reject(tooSlow(seconds));
      giveUp(waiting);
    }, seconds * 1000);
    try {
      waiting.resolve(await decoder.run(waiting.job, waiting.bytes));
    } catch (error) {
      // Who ended the decoder may have meant the picture before, or the machine: another decoder tells.
      const again = systemCode(error) === DIED && !waiting.retried && busy.has(decoder);
      waiting.retried = true;
      if (again) queue.unshift(waiting);
      else waiting.reject(error as Error);
    } finally {
      clearTimeout(limit);
    }
    if (busy.delete(decoder)) rest(decoder);
  }

  function submit(job: Job, bytes: Uint8Array, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    if (closed) return Promise.reject(closedError('image loader'));
    if (signal?.aborted) return Promise.reject(new InterruptedError());
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        job,
        bytes,
        retried: false,
        resolve: (results) => {
          done();
          resolve(results);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      const done = onAbort(signal, () => {
        const at = queue.indexOf(waiting);
        if (at >= 0) queue.splice(at, 1);
        else setTimeout(giveUp, GRACE, waiting).unref();
        reject(new InterruptedError());
      });
      queue.push(waiting);
      next();
    });
  }

  return closable<ImageLoader>({
    load: async (bytes, { spec, views, seed, exif }, work = {}) => {
      const crops = await submit({ kind: 'load', spec, views, seed, exif, maxPixels }, bytes, signalOf(work));
      return crops.map((data) => ({ width: spec.crop, height: spec.crop, data }));
    },
    thumbnail: async (bytes, side, work = {}) =>
      (await submit({ kind: 'thumbnail', side, maxPixels }, bytes, signalOf(work)))[0]!,
    close: async () => {
      closed = true;
      for (const waiting of [...queue.splice(0), ...busy.values()]) waiting.reject(endedError());
      for (const decoder of [...starting, ...idle, ...busy.keys()]) end(decoder);
      starting.clear();
      busy.clear();
      await Promise.all(ending);
    },
  });
}
