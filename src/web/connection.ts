import { onAbort } from '../abort.ts';
import type { Progress } from '../classifier/types.ts';
import { closedError, InterruptedError, ModelError } from '../errors.ts';
import { translated } from './messages.ts';
import { type Calls, type DownloadProgress, receivedError, type SentError, type Told } from './protocol.ts';

/** What a call reports while it works. */
interface CallOptions {
  readonly signal?: AbortSignal;
  onDownload?(progress: DownloadProgress): void;
  onProgress?(progress: Progress): void;
}

/** A worker with the calls that wait for it. */
export interface Connection {
  call<K extends keyof Calls>(
    call: K,
    given: Parameters<Calls[K]>,
    options?: CallOptions,
    transfer?: Transferable[],
  ): Promise<ReturnType<Calls[K]>>;
  /** The error that the worker sent, in the page's language. */
  error(sent: SentError): Error;
  release(classifier: number): void;
  close(): void;
  /** Fires when the connection is closed. */
  readonly closed: AbortSignal;
}

interface Waiting extends CallOptions {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Starts the worker. */
export function connect(create: () => Worker, note: (line: string, code: string) => void): Connection {
  const waiting = new Map<number, Waiting>();
  let serial = 0;
  const closing = new AbortController();
  const { signal: closed } = closing;
  const fail = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const error = (sent: SentError) => receivedError(sent, translated);
  const worker = create();
  worker.onmessage = ({ data }: MessageEvent<Told>) => {
    if ('note' in data) return note(data.note, data.code);
    const one = waiting.get(data.id);
    if (!one) return;
    if ('download' in data) return one.onDownload?.(data.download);
    if ('pictures' in data) return one.onProgress?.(data.pictures);
    waiting.delete(data.id);
    if ('failed' in data) one.reject(error(data.failed));
    else one.resolve(data.value);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(
      error({
        kind: 'ModelError',
        message: `The worker of tip-adapter/web failed: ${event.message || 'its file cannot be loaded'}`,
        code: 'web/worker',
        hint: "See in the browser's tools whether the worker's file was found, has the type of JavaScript, and is allowed by the page's policies (worker-src, COEP). If a bundler did not find the file, give open the option worker. With Vite, add tip-adapter to optimizeDeps.exclude. A worker that is bundled into one file cannot start threads: let the bundler split it (esbuild: --splitting), or give open the option threads: 1.",
      }),
    );
  };
  return {
    call: (call, given, options = {}, transfer = []) => {
      const { signal } = options;
      if (closed.aborted) return Promise.reject(closedError('classifier'));
      if (signal?.aborted) return Promise.reject(new InterruptedError());
      const id = serial++;
      let done = () => {};
      const answered = new Promise<unknown>((resolve, reject) => {
        waiting.set(id, { ...options, resolve, reject });
        done = onAbort(signal, () => {
          if (!waiting.delete(id)) return;
          worker.postMessage({ abort: id });
          reject(new InterruptedError());
        });
        worker.postMessage({ id, call, given }, transfer);
      });
      return answered.finally(done) as ReturnType<Connection['call']> as never;
    },
    error,
    closed,
    release: (classifier) => {
      if (!closed.aborted) worker.postMessage({ release: classifier });
    },
    close: () => {
      closing.abort();
      worker.terminate();
      fail(closedError('classifier'));
    },
  };
}

/** The error of a worker that could not be made. */
export function noWorker(cause: Error): ModelError {
  return new ModelError(`The worker of tip-adapter/web cannot be started: ${cause.message}`, {
    code: 'web/worker',
    hint: 'Give open the option worker, and allow workers in the content security policy.',
    cause,
  });
}
