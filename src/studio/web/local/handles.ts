/** The handles of calls that have not answered yet. */
const waiting = new Set<{ readonly handle: object }>();

/**
 * The answer of a call to a handle, which is kept until then. Chromium forgets the call of a handle that nothing else refers to when it
 * collects garbage, and the promise never settles.
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
