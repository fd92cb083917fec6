import { InterruptedError, throwIfAborted } from './errors.ts';

/** Options of a call that can be stopped. If the signal fires, the call rejects with `InterruptedError` within 0.1 s. */
export interface Abortable {
  signal?: AbortSignal;
}

const listening = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when the signal fires. The returned function removes the callback. All callbacks of a signal share one listener,
 * because Node warns of a leak at more than ten.
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

/** Waits for work that others wait for too. If the signal fires, throws `InterruptedError`; the work continues. */
export function waitFor<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const interrupt = () => reject(new InterruptedError());
    const forget = onAbort(signal, interrupt);
    if (signal.aborted) interrupt();
    work.then(resolve, reject).finally(forget);
  });
}

/** The results of all work. If some of it fails, the error is thrown when all of it has ended, because it may still use what is closed afterwards. */
export async function allEnded<T extends readonly unknown[] | []>(
  work: T,
): Promise<{ -readonly [I in keyof T]: Awaited<T[I]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/**
 * Does work with a signal of its own, which fires with the given one and when the work has ended. What the work has started and not waited for
 * ends then too, also after an error.
 */
export async function endingAll<T>(
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  try {
    return await work(signal ? AbortSignal.any([signal, stop.signal]) : stop.signal);
  } finally {
    stop.abort();
  }
}

/**
 * Work in pieces: at each `yield`, `inTurns` may let other work run, and waits for a promise that is yielded; `atOnce` runs all pieces
 * without a pause.
 */
export type Pieces<T> = Generator<unknown, T>;

/** Milliseconds that work in pieces may hold the thread before other work runs. */
const TURN = 20;

/** Lets all other work that waits for this thread run. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve);
  });
}

/** Lets other work run between two pieces. Throws `InterruptedError` if the signal has fired. */
export async function giveWay(signal?: AbortSignal): Promise<void> {
  await turn();
  throwIfAborted(signal);
}

/**
 * Does long work in pieces, from one `yield` to the next, so that other work can run and the signal can fire in between. Throws
 * `InterruptedError` if the signal has fired.
 */
export async function inTurns<T>(work: Pieces<T>, signal?: AbortSignal): Promise<T> {
  let since = performance.now();
  for (;;) {
    throwIfAborted(signal);
    const { done, value } = work.next();
    if (done) return value;
    if (value instanceof Promise) await value;
    if (performance.now() - since < TURN) continue;
    await turn();
    since = performance.now();
  }
}

/** Does work in pieces without a pause. */
export function atOnce<T>(work: Pieces<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
