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
