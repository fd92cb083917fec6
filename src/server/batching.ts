import { type Abortable, onAbort } from '../abort.ts';
import type { Encoder } from '../encoder/types.ts';
import { InterruptedError } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { type Matrix, matrix } from '../math/matrix.ts';

/** Crops embedded together: two of the encoders' own batches, so that one is prepared while the other is computed. */
const FULL = 8;

/** One caller's crops, and whom to tell. */
interface Waiting {
  readonly pixels: Pixels[];
  readonly signal?: AbortSignal;
  resolve(features: Matrix): void;
  reject(error: unknown): void;
  gone: boolean;
}

/**
 * The same encoder, embedding what different callers ask for at a time in common batches. There is nothing to wait for: a
 * batch is whatever has come while the one before was computed, so a lone request goes through at once and batches grow with
 * the load. A caller whose signal fires is let go, and computing stops where all callers of a batch are gone.
 */
export function batching(encoder: Encoder, onBatch: (size: number) => void): Encoder {
  const queue: Waiting[] = [];
  let computing = 0;

  const waiting = () => queue.reduce((sum, { pixels }) => sum + pixels.length, 0);

  /** A second batch begins beside the first only when it is full: a small one does better to grow. */
  function next(): void {
    while (queue.length > 0 && (computing === 0 || (computing === 1 && waiting() >= FULL))) {
      const batch: Waiting[] = [];
      for (let size = 0; queue.length > 0 && size < FULL; size += batch.at(-1)!.pixels.length) {
        batch.push(queue.shift()!);
      }
      computing++;
      void embed(batch).finally(() => {
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
      const features = await encoder.embedImages(pixels, { signal: stop.signal });
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

  function embedImages(pixels: Pixels[], { signal }: Abortable = {}): Promise<Matrix> {
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

  return { ...encoder, embedImages };
}
