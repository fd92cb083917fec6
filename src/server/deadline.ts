import type { ServerResponse } from 'node:http';
import { onAbort } from '../abort.ts';
import { Refusal } from './problem.ts';

interface DeadlineOptions {
  readonly milliseconds: number;
  /** The response. If it is closed, the client no longer waits. */
  readonly outgoing: ServerResponse;
  /** Fires when the server stops waiting for running requests. */
  readonly stopping: AbortSignal;
}

/** Request header with which a client can shorten the deadline, in milliseconds. */
export const DEADLINE_HEADER = 'x-deadline-ms';

/** The smaller of the server's and the client's deadline, in milliseconds. Throws a `Refusal` (400) if the client's is not a number. */
export function deadlineOf(asked: string | undefined, allowed: number): number {
  if (asked === undefined) return allowed;
  if (!/^[1-9]\d{0,8}$/.test(asked)) {
    throw new Refusal(400, `${DEADLINE_HEADER} must be a whole number of milliseconds`, {
      code: 'server/deadline-header',
    });
  }
  return Math.min(allowed, Number(asked));
}

/**
 * Runs `work` until the deadline (504), until the client closes the connection (499), or until the server stops (503). In these
 * cases, the work's signal fires, and the promise rejects at once, even if the work continues.
 */
export function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { milliseconds, outgoing, stopping }: DeadlineOptions,
): Promise<T> {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const give = (status: number, message: string, code: string) => {
      reject(new Refusal(status, message, { code }));
      controller.abort();
    };
    const late = () => give(504, `There was no answer within ${milliseconds} ms`, 'server/deadline');
    const gone = () => give(499, 'The client closed the connection', 'server/gone');
    const timer = setTimeout(late, milliseconds);
    outgoing.once('close', gone);
    const forget = onAbort(stopping, () => give(503, 'The server is shutting down', 'server/draining'));
    work(controller.signal)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        outgoing.off('close', gone);
        forget();
      });
  });
}
