import { onAbort } from '../abort.ts';
import { InterruptedError, ModelError } from '../errors.ts';
import type { Answer, Request } from './protocol.ts';

export type Without<R, K extends string> = R extends Request ? Omit<R, K> : never;

/** A thread that owns a runtime, as the engine sees it. */
export interface Thread {
  post(request: Request, transfer: readonly ArrayBuffer[]): void;
  /** Whether the program stays alive for it. */
  hold?(busy: boolean): void;
  end(): Promise<void>;
}

export interface ThreadEvents {
  answer(answer: Answer): void;
  /** The thread is gone; `outOfMemory` where that is known to be the reason. */
  died(reason: string, outOfMemory?: boolean): void;
}

export interface Channel {
  /** Throws `InterruptedError` as soon as the signal fires, and `ModelError` where the thread says so or dies. */
  send(
    request: Without<Request, 'id'>,
    transfer?: readonly ArrayBuffer[],
    signal?: AbortSignal,
  ): Promise<Answer>;
  /** Which thread it is, counted from 0. */
  generation(): number;
  /** Whether that thread is there: what it was sent, it still has. */
  alive(generation: number): boolean;
  /** Ends the thread; what was running ends in an error. */
  close(): Promise<void>;
}

interface Pending {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** Questions to a thread that starts with the first one, each with its answer. One that died is replaced at the next. */
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
      hint: 'The model may need more memory than this machine has. The program can continue, and the failed step can be tried again.',
    });
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  }

  /** The one who waits for an answer, who waits no more. */
  function settle(own: Thread, id: number): Pending | undefined {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) own.hold?.(false);
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
