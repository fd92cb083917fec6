/**
 * Yields the results of `work` in order, and works on up to `depth` further items while the caller uses a result. Decoding, encoding and
 * storing thus run at the same time, in bounded memory.
 */
export async function* ahead<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  work: (value: T) => Promise<R>,
  depth: number,
): AsyncGenerator<R> {
  const pending: Promise<R>[] = [];
  try {
    for await (const value of source) {
      const result = work(value);
      // The promise is awaited later. Until then a failure must not count as an unhandled rejection.
      result.catch(() => {});
      pending.push(result);
      if (pending.length > depth) yield await (pending.shift() as Promise<R>);
    }
    while (pending.length > 0) yield await (pending.shift() as Promise<R>);
  } finally {
    await Promise.allSettled(pending);
  }
}
