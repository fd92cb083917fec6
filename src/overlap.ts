import { allEnded } from './abort.ts';

/** Scores (rows times classes) from which memory matters more than time: a matrix of them takes 16 MB, and work holds dozens. */
export const MANY_SCORES = 2 ** 22;

/**
 * The results of `work` for all items, in their order. Two items are in work at a time, so that this thread computes for one while the engine
 * computes for the other, unless there are `MANY_SCORES`. If one fails, no other is begun, and the error is thrown when the one beside it has ended.
 */
export async function overlapped<T, R>(
  items: readonly T[],
  scores: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  // A loop that ends by an error closes the generator, and with it the other loop.
  const waiting = entriesOf(items);
  const inTurn = async () => {
    for (const [i, item] of waiting) results[i] = await work(item, i);
  };
  const turns = scores >= MANY_SCORES ? [inTurn()] : [inTurn(), inTurn()];
  await allEnded(turns);
  return results;
}

function* entriesOf<T>(items: readonly T[]): Generator<[number, T]> {
  yield* items.entries();
}
