import { InterruptedError, throwIfAborted } from './errors.ts';

/** What can be stopped: where the signal fires, the call rejects with `InterruptedError` within a tenth of a second. */
export interface Abortable {
  signal?: AbortSignal;
}

const listening = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when the signal fires; the returned function takes that back. However much work waits for one signal, it has
 * one listener: Node warns of a leak at more than ten.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (!signal) return () => {};
  let callbacks = listening.get(signal);
  if (!callbacks) {
    const all = new Set<() => void>();
    callbacks = all;
    listening.set(signal, all);
    signal.addEventListener(
      'abort',
      () => {
        for (const each of [...all]) each();
      },
      { once: true },
    );
  }
  const own = () => callback();
  callbacks.add(own);
  return () => callbacks.delete(own);
}

/** Waits for work that goes on for others: where the signal fires, only the waiting ends. Throws `InterruptedError` then. */
export function waitFor<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const interrupt = () => reject(new InterruptedError());
    const forget = onAbort(signal, interrupt);
    if (signal.aborted) interrupt();
    work.then(resolve, reject).finally(forget);
  });
}

/** Work that rests at each `yield`, so that others get their turn: for `inTurns`, or for `atOnce`. */
export type Pieces<T> = Generator<unknown, T>;

/** Milliseconds that a piece of work may hold a thread before others have their turn. */
const TURN = 20;

/** Lets everything else that waits for this thread have its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve);
  });
}

/** Gives everything else its turn between two pieces of work. Throws `InterruptedError` where the signal has fired. */
export async function giveWay(signal?: AbortSignal): Promise<void> {
  await turn();
  throwIfAborted(signal);
}

/**
 * Does work that would hold the thread for long in pieces, from one `yield` to the next, so that a signal can fire meanwhile. Throws
 * `InterruptedError` when it has.
 */
export async function inTurns<T>(work: Pieces<T>, signal?: AbortSignal): Promise<T> {
  let since = performance.now();
  for (;;) {
    throwIfAborted(signal);
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - since < TURN) continue;
    await turn();
    since = performance.now();
  }
}

/** Does the same work in one piece. */
export function atOnce<T>(work: Pieces<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
