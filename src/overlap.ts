/**
 * The results of `work` for all items, in their order. Two items are in work at a time, so that this thread computes for one while the engine
 * computes for the other. If one fails, no other is begun, and the error is thrown when the one beside it has ended.
 */
export async function overlapped<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  // A loop that ends by an error closes the generator, and with it the other loop.
  const waiting = entriesOf(items);
  const inTurn = async () => {
    for (const [i, item] of waiting) results[i] = await work(item, i);
  };
  for (const ended of await Promise.allSettled([inTurn(), inTurn()]))
    if (ended.status === 'rejected') throw ended.reason;
  return results;
}

function* entriesOf<T>(items: readonly T[]): Generator<[number, T]> {
  yield* items.entries();
}
