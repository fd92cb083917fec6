import { throwIfAborted } from '../errors.ts';
import { dot, type Matrix, matrix, norm, productT, row } from '../math/matrix.ts';
import { count, number } from '../words.ts';
import { info, warning } from './findings.ts';
import { DisjointSets, groupBy } from './groups.ts';
import type { Dataset, Finding } from './types.ts';

/** Indices of two examples, and the cosine of their features (1 for the same bytes). */
export interface DuplicatePair {
  a: number;
  b: number;
  similarity: number;
}

/** Examples that are the same or nearly the same picture, as indices. */
export interface Duplicates {
  /** Groups of two or more examples of the same picture. Indices ascend. */
  groups: number[][];
  /** Pairs of the same picture under two classes: each example with its nearest such example, each pair once. */
  conflicts: DuplicatePair[];
}

/**
 * Returns the groups of examples whose `hashes` are equal. With `labels` (class indices, -1 for none) it also returns the pairs of
 * equal pictures with different labels.
 */
export function exactDuplicates(hashes: readonly string[], labels?: ArrayLike<number>): Duplicates {
  const found = new DuplicateSets(hashes.length, labels);
  for (const members of groupBy(hashes.keys(), (i) => hashes[i]).values()) {
    // One picture of each class is enough to find the conflicts of a group.
    const firsts = labels ? [...groupBy(members, (i) => labels[i]).values()].map((same) => same[0]!) : [];
    for (const i of members) found.add(members[0]!, i, 1);
    for (const [k, i] of firsts.entries()) for (const j of firsts.slice(0, k)) found.add(i, j, 1);
  }
  return found.result();
}

/**
 * The smallest cosine at which two pictures count as near-duplicates. Measured on CLIP ViT-B/32: copies of one picture have .978 or
 * more, different pictures .9702 or less (Stanford Cars, where many are alike). Another encoder may need another value.
 */
export const NEAR_DUPLICATE = 0.974;

/** Options of `nearDuplicates`. */
export interface NearDuplicateOptions {
  /** Smallest cosine of a pair, -1 to 1. Default: `NEAR_DUPLICATE`. */
  threshold?: number;
  /** Class of each row (-1 for none), for finding conflicts. */
  labels?: ArrayLike<number>;
  /** a b^T: [n, k] x [m, k] → [n, m]. Default: plain loops, which suffice for some thousand rows. */
  product?: (a: Matrix, b: Matrix) => Matrix | Promise<Matrix>;
  signal?: AbortSignal;
}

/**
 * Returns the pairs of rows whose cosine reaches the threshold, joined into groups. `features` [n, d] are unit rows. No pair is
 * missed: a product of narrow rows bounds all cosines from above, and only pairs above the bound are computed in full (one by one, or
 * as a whole block if many of its pairs are above).
 */
export async function nearDuplicates(
  features: Matrix,
  { threshold = NEAR_DUPLICATE, labels, product = productT, signal }: NearDuplicateOptions = {},
): Promise<Duplicates> {
  const narrow = await narrowRows(features, product);
  const found = new DuplicateSets(features.rows, labels);
  const [tall, wide] = [1024, 4096];
  for (let top = 0; top < features.rows; top += tall) {
    const left = rowsFrom(narrow, top, tall);
    for (let start = top; start < features.rows; start += wide) {
      throwIfAborted(signal);
      const right = rowsFrom(narrow, start, wide);
      const bounds = await product(left, right); // [tall, wide]
      const passing = pairsAbove(bounds, threshold - ROUNDING, start - top);
      const exact =
        passing.length > bounds.data.length / 50
          ? (await product(rowsFrom(features, top, tall), rowsFrom(features, start, wide))).data
          : undefined;
      for (const at of passing) {
        const [a, b] = [top + Math.floor(at / bounds.cols), start + (at % bounds.cols)];
        if (found.knows(a, b)) continue;
        const similarity = exact?.[at] ?? dot(row(features, a), row(features, b));
        if (similarity >= threshold) found.add(a, b, similarity);
      }
    }
  }
  return found.result();
}

/** Largest rounding error of a float32 product of unit rows. */
const ROUNDING = 1e-4;

/** Positions in a block [n, m] of the values that reach the limit, right of the diagonal. `offset` shifts the diagonal. */
function pairsAbove({ rows, cols, data }: Matrix, limit: number, offset: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = Math.max(0, i + 1 - offset); j < cols; j++)
      if (data[i * cols + j]! >= limit) found.push(i * cols + j);
  }
  return found;
}

/** Number of directions that rows are projected onto. Rows less than twice as wide are not projected. */
const BASIS = 64;

/**
 * Rows [n, k + 1] whose products are upper bounds of the products of `features` [n, d]: the coordinates in an orthonormal basis
 * of k directions (spanned by rows spread over the features, where most of their length lies), and the length of what is left
 * (Cauchy-Schwarz: u·v = Pu·Pv + (u-Pu)·(v-Pv) ≤ Pu·Pv + |u-Pu||v-Pv|).
 */
async function narrowRows(
  features: Matrix,
  product: NonNullable<NearDuplicateOptions['product']>,
): Promise<Matrix> {
  const { rows, cols } = features;
  if (cols < 2 * BASIS || rows < 4 * BASIS) return features;
  const basis = orthonormal(features, BASIS);
  const coordinates = await product(features, basis); // [n, k]
  const out = matrix(rows, basis.rows + 1);
  for (let i = 0; i < rows; i++) {
    const kept = row(coordinates, i);
    out.data.set(kept, i * out.cols);
    const rest = dot(row(features, i), row(features, i)) - dot(kept, kept);
    out.data[i * out.cols + basis.rows] = Math.sqrt(Math.max(0, rest));
  }
  return out;
}

/** Gram-Schmidt over at most k rows, evenly spread; rows that add no direction are passed over. */
function orthonormal(features: Matrix, k: number): Matrix {
  const directions: Float64Array[] = [];
  for (let n = 0; n < k; n++) {
    const v = Float64Array.from(row(features, Math.floor((n * features.rows) / k)));
    for (const direction of directions) {
      const along = dot(direction, v);
      for (let j = 0; j < v.length; j++) v[j]! -= along * direction[j]!;
    }
    const length = norm(v);
    if (length > 0.01) directions.push(v.map((x) => x / length));
  }
  const out = matrix(directions.length, features.cols);
  for (const [i, direction] of directions.entries()) out.data.set(direction, i * features.cols);
  return out;
}

function rowsFrom(m: Matrix, start: number, n: number): Matrix {
  const end = Math.min(m.rows, start + n);
  return matrix(end - start, m.cols, m.data.slice(start * m.cols, end * m.cols));
}

/** Collects duplicates: disjoint sets, and for each example its nearest duplicate of another class. */
class DuplicateSets {
  readonly #sets: DisjointSets;
  readonly #labels?: ArrayLike<number>;
  readonly #nearest = new Map<number, DuplicatePair>();

  constructor(n: number, labels?: ArrayLike<number>) {
    this.#sets = new DisjointSets(n);
    this.#labels = labels;
  }

  /** Whether the pair is known already. */
  knows(a: number, b: number): boolean {
    return this.#sets.find(a) === this.#sets.find(b) && !this.#inConflict(a, b);
  }

  add(a: number, b: number, similarity: number): void {
    this.#sets.union(a, b);
    if (!this.#inConflict(a, b)) return;
    const pair = { a: Math.min(a, b), b: Math.max(a, b), similarity };
    for (const i of [a, b]) {
      if (similarity > (this.#nearest.get(i)?.similarity ?? Number.NEGATIVE_INFINITY))
        this.#nearest.set(i, pair);
    }
  }

  result(): Duplicates {
    const conflicts = [...new Set(this.#nearest.values())].sort((p, q) => p.a - q.a || p.b - q.b);
    return { groups: this.#sets.groups(), conflicts };
  }

  #inConflict(a: number, b: number): boolean {
    const labels = this.#labels;
    return labels !== undefined && labels[a] !== labels[b] && labels[a]! >= 0 && labels[b]! >= 0;
  }
}

/**
 * Returns the data set with the examples of each set (pairs or groups of `Duplicates`) in one group, joined with the groups that they
 * were in. No split and no fold separates a group.
 */
export function groupDuplicates(dataset: Dataset, sets: readonly (readonly number[])[]): Dataset {
  const { examples } = dataset;
  const joined = new DisjointSets(examples.length);
  for (const members of groupBy(examples.keys(), (i) => examples[i]!.group ?? i).values()) {
    for (const i of members) joined.union(members[0]!, i);
  }
  for (const set of sets) for (const i of set) joined.union(set[0]!, i);
  const groupOf = new Map<number, string>();
  for (const members of joined.groups()) {
    const before = members.map((i) => examples[i]!.group).find((group) => group !== undefined);
    for (const i of members) groupOf.set(i, before ?? `like ${examples[members[0]!]!.id}`);
  }
  return {
    ...dataset,
    examples: examples.map((example, i) => {
      const group = groupOf.get(i);
      return group === undefined ? example : { ...example, group };
    }),
  };
}

/** Findings about duplicates: their number, and the pairs with two classes, one by one or, if there are many, by class. */
export function duplicateFindings(dataset: Dataset, { groups, conflicts }: Duplicates): Finding[] {
  const findings: Finding[] = [];
  if (groups.length > 0) {
    const alike = groups.flat();
    const message = `${count(alike.length, 'picture')} are the same or nearly the same, in ${count(groups.length, 'group')}; a group is never on both sides of a split.`;
    findings.push(
      info(
        'duplicates',
        message,
        alike.map((i) => dataset.examples[i]!.id),
      ),
    );
  }
  if (conflicts.length > FEW) return [...findings, manyConflicts(dataset, conflicts)];
  for (const { a, b } of conflicts) {
    const [x, y] = [dataset.examples[a]!, dataset.examples[b]!];
    const message = `The same picture is in two classes: ${x.id} is "${dataset.classes[x.label]!.id}", and ${y.id} is "${dataset.classes[y.label]!.id}".`;
    findings.push(warning('same-picture', message, [x.id, y.id]));
  }
  return findings;
}

/** Largest number of conflicts that are reported one by one. */
const FEW = 3;

/** One finding for many conflicts, as two folders with the same pictures give (one may be a link to the other). */
function manyConflicts({ classes, examples }: Dataset, conflicts: readonly DuplicatePair[]): Finding {
  const between = groupBy(conflicts, ({ a, b }) => {
    const names = [a, b].map((i) => classes[examples[i]!.label]!.id);
    return names
      .sort()
      .map((name) => `"${name}"`)
      .join(' and ');
  });
  const most = [...between].sort(([, p], [, q]) => q.length - p.length);
  const shown = most.slice(0, FEW).map(([names, { length }]) => `${names} (${number(length)})`);
  const more = most.length > FEW ? `, and ${count(most.length - FEW, 'other pair')} of classes` : '';
  const message = `${count(conflicts.length, 'pair')} of pictures are the same or nearly the same in two classes: ${shown.join(', ')}${more}.`;
  const paths = conflicts.map(({ a, b }) => `${examples[a]!.id} and ${examples[b]!.id}`);
  return warning('same-picture', message, paths);
}
