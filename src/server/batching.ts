import { AsyncResource } from 'node:async_hooks';
import { onAbort } from '../abort.ts';
import type { Encoder } from '../encoder/types.ts';
import { InterruptedError } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { traced } from '../tracing.ts';

/** Largest number of crops in a batch: two of the encoder's own batches, so that one is prepared while the other is computed. */
const FULL = 8;

/** One caller's crops, and the functions that settle its promise. */
interface Waiting {
  readonly pixels: Pixels[];
  /** Calls a function in the caller's own asynchronous context, so that its spans belong to the caller. */
  inContext<T>(work: () => T): T;
  readonly signal?: AbortSignal;
  resolve(features: Matrix): void;
  reject(error: unknown): void;
  gone: boolean;
}

/**
 * The same encoder, which embeds crops of different callers in common batches. There is no delay to fill a batch: a batch has the
 * crops that arrived while the one before was computed. A single request is thus embedded at once, and batches grow with the load.
 * A caller whose signal fires is rejected at once, and computing stops if all callers of a batch are gone. A trace has a span `batch` for
 * each caller, from its arrival to its features, and in that of a batch's first caller a span `encode` for the computation.
 */
export function batching(encoder: Encoder, onBatch: (size: number) => void): Encoder {
  const queue: Waiting[] = [];
  let computing = 0;

  const waiting = () => queue.reduce((sum, { pixels }) => sum + pixels.length, 0);

  /** Starts the next batch. A second batch runs beside the first only if it is full; otherwise it waits and grows. */
  function next(): void {
    while (queue.length > 0 && (computing === 0 || (computing === 1 && waiting() >= FULL))) {
      const batch: Waiting[] = [];
      for (let size = 0; queue.length > 0 && size < FULL; size += batch.at(-1)!.pixels.length) {
        batch.push(queue.shift()!);
      }
      computing++;
      void batch[0]!
        .inContext(() => embed(batch))
        .finally(() => {
          computing--;
          next();
        });
    }
  }

  async function embed(batch: Waiting[]): Promise<void> {
    const stop = new AbortController();
    const unwatch = batch.map(({ signal }) =>
      onAbort(signal, () => {
        if (batch.every(({ gone }) => gone)) stop.abort();
      }),
    );
    const pixels = batch.flatMap((caller) => caller.pixels);
    onBatch(pixels.length);
    try {
      const facts = { 'tip_adapter.crops': pixels.length, 'tip_adapter.requests': batch.length };
      const features = await traced('encode', facts, () =>
        encoder.embedImages(pixels, { signal: stop.signal }),
      );
      let start = 0;
      for (const caller of batch) {
        const end = start + caller.pixels.length * features.cols;
        caller.resolve(matrix(caller.pixels.length, features.cols, features.data.slice(start, end)));
        start = end;
      }
    } catch (error) {
      for (const caller of batch) caller.reject(error);
    } finally {
      for (const forget of unwatch) forget();
    }
  }

  function queued(pixels: Pixels[], signal?: AbortSignal): Promise<Matrix> {
    if (signal?.aborted) return Promise.reject(new InterruptedError());
    return new Promise((resolve, reject) => {
      const leave = () => {
        caller.gone = true;
        const at = queue.indexOf(caller);
        if (at >= 0) queue.splice(at, 1);
        reject(new InterruptedError());
      };
      const forget = onAbort(signal, leave);
      const caller: Waiting = {
        pixels,
        signal,
        inContext: AsyncResource.bind((work) => work()),
        gone: false,
        resolve: (features) => {
          forget();
          resolve(features);
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      };
      queue.push(caller);
      next();
    });
  }

  return {
    ...encoder,
    embedImages: (pixels, { signal } = {}) =>
      traced('batch', { 'tip_adapter.crops': pixels.length }, () => queued(pixels, signal)),
  };
}
