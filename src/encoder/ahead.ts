/**
 * The results of `work`, in order, with up to `depth` of them under way while the caller is busy with an earlier one: what
 * keeps decoding, encoding and storing beside one another in bounded memory.
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
      // Its turn to be awaited comes later: until then a failure must not count as unhandled.
      result.catch(() => {});
      pending.push(result);
      if (pending.length > depth) yield await (pending.shift() as Promise<R>);
    }
    while (pending.length > 0) yield await (pending.shift() as Promise<R>);
  } finally {
    await Promise.allSettled(pending);
  }
}
