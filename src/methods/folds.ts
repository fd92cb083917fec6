import type { Support } from './task.ts';

/** Folds of n examples: in which one each is asked, and in which it is missing. */
export interface Folds {
  /** Which fold each example is the query of, [n]; -1 where it never is. */
  readonly query: Int32Array;
  /** In which fold each example is missing from the cache, [n]; -1 where it never is. */
  readonly hidden: Int32Array;
  readonly count: number;
}

/**
 * Leave-one-shot-out: each class's groups are numbered in order, and in fold j the j-th group of every class is the query
 * and missing from the cache. (Leaving out one example alone would leave its own class one key short of the others, so that
 * a cache of few shots looks useless.) A group is never split; a class with a single group keeps it as a key and is never
 * the query. With `most`, higher numbers wrap around, so that there are at most that many folds.
 */
export function leaveOneShotOut(
  { labels, groups }: Pick<Support, 'labels' | 'groups'>,
  most = Number.POSITIVE_INFINITY,
): Folds {
  const numbers = new Map<number, Map<number, number>>();
  labels.forEach((label, i) => {
    const seen = numbers.get(label) ?? new Map<number, number>();
    numbers.set(label, seen);
    if (!seen.has(groups[i]!)) seen.set(groups[i]!, seen.size);
  });
  // A group may span classes (one picture under two names): it has one number and leaves as a whole.
  const foldOfGroup = new Map<number, number>();
  for (const seen of numbers.values()) {
    if (seen.size < 2) continue;
    for (const [group, number] of seen) if (!foldOfGroup.has(group)) foldOfGroup.set(group, number % most);
  }
  const hidden = Int32Array.from(groups, (group) => foldOfGroup.get(group) ?? -1);
  const alone = (label: number) => (numbers.get(label)?.size ?? 0) < 2;
  const query = hidden.map((fold, i) => (alone(labels[i]!) ? -1 : fold));
  return { query, hidden, count: query.reduce((most, fold) => Math.max(most, fold + 1), 0) };
}
