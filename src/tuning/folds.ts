import type { Support } from '../methods/task.ts';

/** Which fold each example is the query of, [n]; -1 where it never is. */
export interface Folds {
  readonly fold: Int32Array;
  readonly count: number;
}

/**
 * Leave-one-shot-out: each class's groups are numbered in order, and in fold j the j-th group of every class is the query
 * and missing from the cache. (Leaving out one example alone would leave its own class one key short of the others, so that
 * a cache of few shots looks useless.) A group is never split; a class with a single group keeps it as a key and is never
 * the query. With `most`, higher numbers wrap around, so that there are at most that many folds.
 */
export function leaveOneShotOut({ labels, groups }: Support, most = Number.POSITIVE_INFINITY): Folds {
  const numbers = new Map<number, Map<number, number>>();
  labels.forEach((label, i) => {
    const seen = numbers.get(label) ?? new Map<number, number>();
    numbers.set(label, seen);
    if (!seen.has(groups[i])) seen.set(groups[i], seen.size);
  });
  // A group may span classes (one picture under two names): it gets one number, so that it leaves as a whole.
  const foldOfGroup = new Map<number, number>();
  for (const seen of numbers.values()) {
    for (const [group, number] of seen) if (!foldOfGroup.has(group)) foldOfGroup.set(group, number % most);
  }
  let count = 0;
  const fold = Int32Array.from(labels, (label, i) => {
    if ((numbers.get(label)?.size ?? 0) < 2) return -1;
    const own = foldOfGroup.get(groups[i]) as number;
    count = Math.max(count, own + 1);
    return own;
  });
  return { fold, count };
}
