import type { Support } from './task.ts';

/** Folds of n examples. In its fold, an example is a query; it is missing from the cache in the same fold. */
export interface Folds {
  /** The fold in which each example is a query, [n]; -1 if there is none. */
  readonly query: Int32Array;
  /** The fold in which each example is missing from the cache, [n]; -1 if there is none. */
  readonly hidden: Int32Array;
  readonly count: number;
}

/**
 * Leave-one-shot-out: the groups of each class are numbered in order. In fold j, the j-th group of every class is the query and is missing
 * from the cache. (If one example alone were left out, its class would have one key fewer than the others, and a cache of few shots would
 * look useless.) A group is never split. A class with a single group always keeps it as keys, and the group is never a query. With `most`,
 * higher numbers wrap around, so that there are at most `most` folds.
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
  // A group may span classes (one picture under two names). It has one number, and all of it is left out together.
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

/** The classes with an example that can be left out: those with two groups. */
export function leftOutClasses(support: Pick<Support, 'labels' | 'groups'>): Set<number> {
  const { query } = leaveOneShotOut(support);
  return new Set(support.labels.filter((_, i) => query[i]! >= 0));
}
