import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { onAbort } from '../abort.ts';
import { closedError, DataError, InterruptedError, UsageError } from '../errors.ts';
import type { Pixels, Preprocessing, View } from './types.ts';

export interface LoadRequest {
  readonly spec: Preprocessing;
  readonly views: readonly View[];
  /** Decides the random crops, together with the picture's own bytes and the view's number. */
  readonly seed: number | string;
  readonly exif?: boolean;
  readonly maxPixels?: number;
}

/** Decodes, resizes and crops on threads of its own, so that the program's event loop stays free. */
export interface ImageLoader {
  /**
   * One crop for each view; the picture is decoded once. Throws `DataError` as `decode` does (`image/decoder-died` where a
   * thread ended), `InterruptedError` when the signal fires or the loader is closed meanwhile, `UsageError` when it was closed before. A thread that does not soon come to the
   * end of a picture that no one waits for is ended.
   */
  load(bytes: Uint8Array, request: LoadRequest, signal?: AbortSignal): Promise<Pixels[]>;
  /** A small JPEG whose longer side has `side` pixels. */
  thumbnail(bytes: Uint8Array, side: number): Promise<Uint8Array>;
  /** Ends the threads; what still waits is rejected with `InterruptedError`. */
  close(): Promise<void>;
}

/** What a thread is asked. */
export type ImageJob = { id: number; bytes: Uint8Array; maxPixels?: number } & (
  | ({ kind: 'load' } & LoadRequest)
  | { kind: 'thumbnail'; side: number }
);

export type ImageAnswer =
  | { id: number; results: Uint8Array[] }
  | {
      id: number;
      error: {
        name: string;
        message: string;
        code?: string;
        hint?: string;
        details?: Record<string, unknown>;
      };
    };

type JobBody = ImageJob extends infer J ? (J extends ImageJob ? Omit<J, 'id'> : never) : never;

interface Waiting {
  readonly job: ImageJob;
  resolve(results: Uint8Array[]): void;
  reject(error: Error): void;
}

/** Milliseconds that a thread may go on with a picture that no one waits for any more: starting another one takes time, too. */
const GRACE = 1000;

const EXTENSION = extname(import.meta.url);

/** A program's own flags are not for its threads (`--input-type` would end them), but TypeScript needs its loader. */
const FLAGS = EXTENSION === '.ts' ? undefined : [];

function endedError(): InterruptedError {
  return new InterruptedError('The image loader was closed');
}

/** A pool of `threads` (default: two, or one on a machine of one core), started as they are needed. */
export function createImageLoader({ threads = Math.min(2, availableParallelism()) } = {}): ImageLoader {
  const queue: Waiting[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  const ending = new Set<Promise<unknown>>();
  let serial = 0;
  let closed = false;

  function start(): Worker {
    const worker = new Worker(new URL(`./worker${EXTENSION}`, import.meta.url), { execArgv: FLAGS });
    worker.on('message', (answer: ImageAnswer) => {
      const waiting = busy.get(worker);
      if (!waiting) return;
      busy.delete(worker);
      idle.push(worker);
      worker.unref();
      if ('error' in answer) {
        const { name, message, code = 'image/unreadable', ...rest } = answer.error;
        const Known = name === 'UsageError' ? UsageError : DataError;
        waiting.reject(new Known(message, { code, ...rest }));
      } else waiting.resolve(answer.results);
      next();
    });
    const died = (reason: string) => {
      const waiting = busy.get(worker);
      busy.delete(worker);
      const at = idle.indexOf(worker);
      if (at >= 0) idle.splice(at, 1);
      waiting?.reject(
        closed
          ? endedError()
          : new DataError(`Decoding stopped: ${reason}`, {
              code: 'image/decoder-died',
              hint: 'The picture may be damaged or need more memory than there is.',
            }),
      );
      next();
    };
    worker.on('error', (error) => died(error.message));
    worker.on('exit', (code) => died(`its thread ended with status ${code}`));
    return worker;
  }

  /** Ends the thread that still works on a picture, whatever that does to it; the next picture gets a new one. */
  function giveUp(waiting: Waiting): void {
    const [worker] = [...busy].find(([, other]) => other === waiting) ?? [];
    if (!worker) return;
    busy.delete(worker);
    const ended = worker.terminate().finally(() => ending.delete(ended));
    ending.add(ended);
    next();
  }

  function next(): void {
    while (queue.length > 0 && (idle.length > 0 || busy.size < threads)) {
      const waiting = queue.shift() as Waiting;
      const worker = idle.pop() ?? start();
      busy.set(worker, waiting);
      worker.ref();
      // A view of a larger buffer (a picture inside a zip) would take all of that along; the caller's own stays with it.
      const bytes = new Uint8Array(waiting.job.bytes);
      worker.postMessage({ ...waiting.job, bytes }, [bytes.buffer]);
    }
  }

  function submit(body: JobBody, signal?: AbortSignal): Promise<Uint8Array[]> {
    if (closed) return Promise.reject(closedError('image loader'));
    if (signal?.aborted) return Promise.reject(new InterruptedError());
    return new Promise((resolve, reject) => {
      const job = { ...body, id: serial++ } as ImageJob;
      const abort = () => {
        const at = queue.indexOf(waiting);
        if (at >= 0) queue.splice(at, 1);
        else setTimeout(giveUp, GRACE, waiting).unref();
        reject(new InterruptedError());
      };
      const waiting: Waiting = {
        job,
        resolve: (results) => {
          done();
          resolve(results);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      const done = onAbort(signal, abort);
      queue.push(waiting);
      next();
    });
  }

  return {
    load: async (bytes, request, signal) => {
      const { spec } = request;
      const crops = await submit({ kind: 'load', bytes, ...request }, signal);
      return crops.map((data) => ({ width: spec.crop, height: spec.crop, data }));
    },
    thumbnail: async (bytes, side) => (await submit({ kind: 'thumbnail', bytes, side }))[0],
    close: async () => {
      closed = true;
      for (const waiting of queue.splice(0)) waiting.reject(endedError());
      await Promise.all([...[...idle, ...busy.keys()].map((worker) => worker.terminate()), ...ending]);
    },
  };
}
