/** The handles of calls that have not answered yet. */
const waiting = new Set<{ readonly handle: object }>();

/**
 * The answer of a call to a handle. The handle is kept until the call has answered: Chromium may collect a handle that nothing else refers
 * to, and the promise then never settles.
 */
export async function ask<H extends object, T>(handle: H, call: (handle: H) => Promise<T>): Promise<T> {
  const kept = { handle };
  waiting.add(kept);
  try {
    return await call(handle);
  } finally {
    waiting.delete(kept);
  }
}
