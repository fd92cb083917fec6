import { onAbort } from '../abort.ts';
import { InterruptedError, ModelError } from '../errors.ts';
import type { Answer, Request } from './protocol.ts';

export type Without<R, K extends string> = R extends Request ? Omit<R, K> : never;

/** The engine's handle of a thread that owns a runtime. */
export interface Thread {
  post(request: Request, transfer: readonly ArrayBuffer[]): void;
  /** Keeps the program alive while the thread is busy, or lets it end. */
  hold?(busy: boolean): void;
  end(): Promise<void>;
}

export interface ThreadEvents {
  answer(answer: Answer): void;
  /** The thread has ended; `outOfMemory` if lack of memory is known to be the reason. */
  died(reason: string, outOfMemory?: boolean): void;
}

export interface Channel {
  /** Throws `InterruptedError` as soon as the signal fires, and `ModelError` if the thread answers with an error or dies. */
  send(
    request: Without<Request, 'id'>,
    transfer?: readonly ArrayBuffer[],
    signal?: AbortSignal,
  ): Promise<Answer>;
  /** The number of the current thread: 0 for the first, one more after each replacement. */
  generation(): number;
  /** Whether the thread of that number is still running, so that it still holds what it was sent. */
  alive(generation: number): boolean;
  /** Ends the thread. Requests that have no answer yet are rejected. */
  close(): Promise<void>;
}

interface Pending {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** A channel of requests and answers to a thread. The first request starts the thread; a thread that died is replaced at the next request. */
export function channelTo(start: (events: ThreadEvents) => Thread): Channel {
  let thread: Thread | undefined;
  let generation = 0;
  let serial = 0;
  const pending = new Map<number, Pending>();

  function fail(reason: string, outOfMemory = false): void {
    thread = undefined;
    generation++;
    const error = new ModelError(`The engine stopped: ${reason}`, {
      code: outOfMemory ? 'engine/memory' : 'engine/stopped',
      hint: outOfMemory
        ? 'Use a smaller model, or a machine with more memory. The program can continue.'
        : 'The program can continue, and the failed step can be tried again.',
    });
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  }

  /** Removes and returns the caller that waits for this answer. */
  function settle(own: Thread, id: number): Pending | undefined {
    const waiting = pending.get(id);
    pending.delete(id);
    // A closed thread may still answer. It keeps the program alive until it has ended, because `close` waits for that.
    if (pending.size === 0 && own === thread) own.hold?.(false);
    return waiting;
  }

  function begin(): Thread {
    const own: Thread = start({
      answer(answer) {
        const waiting = settle(own, answer.id);
        if ('error' in answer) {
          const { error, code = 'engine/runtime', hint } = answer;
          waiting?.reject(new ModelError(error, { code, hint }));
        } else waiting?.resolve(answer);
      },
      died: (reason, outOfMemory) => thread === own && fail(reason, outOfMemory),
    });
    return own;
  }

  return {
    send(request, transfer = [], signal) {
      if (signal?.aborted) return Promise.reject(new InterruptedError());
      thread ??= begin();
      const own = thread;
      const id = serial++;
      let done = () => {};
      const answered = new Promise<Answer>((resolve, reject) => {
        pending.set(id, { resolve, reject });
        done = onAbort(signal, () => settle(own, id)?.reject(new InterruptedError()));
        own.hold?.(true);
        try {
          own.post({ ...request, id }, transfer);
        } catch (error) {
          settle(own, id)?.reject(error);
        }
      });
      return answered.finally(done);
    },
    generation: () => generation,
    alive: (one) => thread !== undefined && generation === one,
    close: async () => {
      const own = thread;
      if (!own) return;
      fail('it was closed');
      await own.end();
    },
  };
}
