import { availableParallelism } from 'node:os';
import { type Abortable, onAbort } from '../abort.ts';
import { closable } from '../closable.ts';
import { signalOf } from '../deprecation.ts';
import { closedError, InterruptedError, systemCode } from '../errors.ts';
import type { Region } from './crop.ts';
import { type Decoder, DIED, startDecoder } from './decoder.ts';
import type { Job } from './jobs.ts';
import { inputSize } from './preprocess.ts';
import { tooSlow } from './refusals.ts';
import { MAX_PIXELS, type Pixels, type Preprocessing, type Shares, type View } from './types.ts';

/** The crops to make of a picture: the encoder's preprocessing and the views. */
export interface LoadRequest {
  readonly spec: Preprocessing;
  readonly views: readonly View[];
  /** Determines the random crops, together with the picture's bytes and the view's number. */
  readonly seed: number | string;
  readonly exif?: boolean;
  /** The share of the area that random crops have (default: 0.5 to 1). */
  readonly area?: Shares;
}

/** Options of a loader: its number of processes, and limits for each picture. */
export interface LoaderOptions {
  /** Largest number of decoding processes, which start when they are needed (default: two, or one on a machine with one core). */
  readonly decoders?: number;
  /** Largest number of pixels of a picture (default: 100 million). It also determines the memory limit of a decoder. */
  readonly maxPixels?: number;
  /** Time limit for a picture, in seconds (default: 20). */
  readonly seconds?: number;
}

/**
 * Decodes, resizes and crops pictures in processes of its own. Time and memory for each picture are limited: a process that exceeds
 * a limit is ended and replaced.
 */
export interface ImageLoader {
  /**
   * Returns one crop for each view; the picture is decoded once. Throws `DataError` as `decode` does, and `image/too-slow`,
   * `image/too-much-memory` or `image/decoder-died` (two processes, one after the other, ended at this picture); `InterruptedError` if
   * the signal fires or the loader is closed meanwhile; `UsageError` if it was closed before; `TipAdapterError` `image/no-decoder` if
   * no process can be started or sharp is not installed.
   */
  load(bytes: Uint8Array, request: LoadRequest, work?: Abortable): Promise<Pixels[]>;
  /** Returns a JPEG of the picture with `side` pixels on its longer side. Throws as `load`. */
  thumbnail(bytes: Uint8Array, side: number, work?: Abortable): Promise<Uint8Array>;
  /** Returns a PNG of a part of the picture. Throws as `load`, and `DataError` `image/region` if it lies outside. */
  crop(bytes: Uint8Array, region: Region, work?: Abortable): Promise<Uint8Array>;
  /** Ends the processes. Pending calls reject with `InterruptedError`. */
  close(): Promise<void>;
}

interface Waiting {
  readonly job: Job;
  readonly bytes: Uint8Array;
  /** Whether a decoder has already ended while working on this picture. */
  retried: boolean;
  resolve(results: readonly Uint8Array[]): void;
  reject(error: Error): void;
}

/**
 * Milliseconds for which a decoder may continue with a picture that no caller waits for any more. Most pictures take less, and
 * starting another process takes more.
 */
const GRACE = 100;

/** Longest time for a picture, in seconds. */
const SECONDS = 20;

/** Memory limit of a decoder, in bytes: for itself, and for each pixel of the largest picture. AVIF and HEIC need the most. */
const OWN_MEMORY = 300e6;
const MEMORY_OF_PIXEL = 20;

function endedError(): InterruptedError {
  return new InterruptedError('The image loader was closed');
}

/** Makes a loader of pictures with processes of its own, which start when they are needed. The caller must close it. */
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
        // If other processes run, the machine had no room for this one, and waiting pictures wait for the others.
        if (starting.size + idle.length + busy.size === 0)
          for (const waiting of queue.splice(0)) waiting.reject(error);
      },
    );
  }

  /** Makes a decoder idle. Idle decoders do not keep the program alive. */
  function rest(decoder: Decoder): void {
    if (decoder.alive) idle.push(decoder);
    decoder.hold(false);
    next();
  }

  function end(decoder: Decoder): void {
    const ended = decoder.kill().finally(() => ending.delete(ended));
    ending.add(ended);
  }

  /** Ends the decoder of a picture; the next picture gets another decoder. */
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
      // The decoder may have ended because of the picture before, or for lack of memory, so another decoder tries this one once.
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
    load: async (bytes, { spec, views, seed, exif, area }, work = {}) => {
      const job = { kind: 'load', spec, views, seed, exif, area, maxPixels } as const;
      const crops = await submit(job, bytes, signalOf(work));
      return crops.map((data) => ({ ...inputSize(spec), data }));
    },
    thumbnail: async (bytes, side, work = {}) =>
      (await submit({ kind: 'thumbnail', side, maxPixels }, bytes, signalOf(work)))[0]!,
    crop: async (bytes, region, work = {}) =>
      (await submit({ kind: 'crop', region, maxPixels }, bytes, signalOf(work)))[0]!,
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
