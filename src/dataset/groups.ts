/** Items by their key, in order of first appearance. */
export function groupBy<T, K>(items: Iterable<T>, key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const k = key(item);
    const group = groups.get(k);
    if (group) group.push(item);
    else groups.set(k, [item]);
  }
  return groups;
}

/** Disjoint sets (union-find with path halving) of 0..n-1. The smallest member represents its set. */
export class DisjointSets {
  readonly #parent: Int32Array;

  constructor(n: number) {
    this.#parent = Int32Array.from({ length: n }, (_, i) => i);
  }

  find(i: number): number {
    const parent = this.#parent;
    while (parent[i] !== i) {
      parent[i] = parent[parent[i]!]!;
      i = parent[i]!;
    }
    return i;
  }

  union(i: number, j: number): void {
    const a = this.find(i);
    const b = this.find(j);
    this.#parent[Math.max(a, b)] = Math.min(a, b);
  }

  /** The sets with at least two members, members ascending. */
  groups(): number[][] {
    const all = groupBy(this.#parent.keys(), (i) => this.find(i));
    return [...all.values()].filter((members) => members.length > 1);
  }
}
