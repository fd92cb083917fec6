import { layOutArrays } from '../engine/kernels/arrays.ts';
import { instantiate } from '../engine/kernels/instantiate.ts';
import { wasm } from '../engine/kernels/search.wasm.ts';
import { type Matrix, row } from '../math/matrix.ts';

/**
 * The alphas for which the true class wins, for each query and sharpness. z + alpha s is linear in alpha, so each other class excludes the
 * alphas on one side, and one interval remains. It is exact in alpha, unlike a grid, and may contain alpha = 0. (The published search tries
 * 20 alphas and scores every query again for each.)
 */
export interface AlphaIntervals {
  readonly betas: Float64Array;
  /** Smallest and largest winning alpha, [betas, q]. If the smallest is above the largest, no alpha wins. */
  readonly lower: Float32Array;
  readonly upper: Float32Array;
  readonly queries: number;
}

/** Cosines of queries with the places of a cache. It is -1e4 at a place without a key that may vote. */
export interface Affinities {
  /** [q, blocks * size], in the parts in which they were computed. */
  readonly parts: readonly Float32Array[];
  readonly blocks: number;
  readonly size: number;
  /** Class of each block, [blocks]. */
  readonly owner: Int32Array;
}

/** Evenly spaced sharpnesses. */
export interface BetaRange {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/**
 * Number of sharpnesses, a multiple of 4, after which the votes are computed again. Until then their relative error grows to at most 4e-6.
 */
const FRESH = 100;

/** The cosine of a place without a key, whose vote is 0 at any sharpness. */
const ABSENT = -1e4;

/**
 * The intervals of all queries, for zero-shot logits `z` [q, c] and labels [q]. The votes of one query stay in the processor's first-level
 * cache while the sharpness grows: each is multiplied by exp(-step (1 - cosine)), so that no exponential is computed.
 */
export function alphaIntervals(
  z: Matrix,
  { parts, blocks, size, owner }: Affinities,
  labels: ArrayLike<number>,
  { first, step, count }: BetaRange,
): AlphaIntervals {
  const queries = z.rows;
  const groups = Math.ceil(blocks / 4);
  const places = groups * size * 4;
  const classes = Math.ceil(z.cols / 4) * 4;
  const { memory, at, view } = layOutArrays({
    cosines: places,
    votes: places,
    factors: places,
    owner: groups * 4,
    z: classes,
    sums: groups * 16 + classes,
    lower: FRESH,
    upper: FRESH,
  });
  const kernel = instantiate<Kernel>(wasm, memory);
  new Int32Array(memory.buffer, at.owner, blocks).set(owner);
  const inOrder = blocks === z.cols && owner.every((c, block) => c === block);
  const [cosines, text] = [view('cosines'), view('z')];
  // Padding of blocks is keys that never vote, and padding of classes is classes that never win.
  cosines.fill(ABSENT);
  text.fill(Number.NEGATIVE_INFINITY);
  const [low, high] = [view('lower'), view('upper')];
  const lower = new Float32Array(count * queries);
  const upper = new Float32Array(count * queries);
  let query = 0;
  for (const part of parts) {
    for (let start = 0; start < part.length; start += blocks * size, query++) {
      text.set(row(z, query));
      for (let block = 0; block < blocks; block++) {
        const place = (block >> 2) * size * 4 + (block & 3);
        for (let k = 0; k < size; k++) cosines[place + k * 4] = part[start + block * size + k]!;
      }
      kernel.votesOf(at.cosines, at.factors, places, step);
      for (let from = 0; from < count; from += FRESH) {
        const own = Math.min(FRESH, count - from);
        kernel.votesOf(at.cosines, at.votes, places, first + from * step);
        kernel.intervals(
          at.votes,
          at.factors,
          groups,
          size,
          inOrder ? 0 : at.owner,
          at.z,
          at.sums,
          z.cols,
          labels[query]!,
          own,
          at.lower,
          at.upper,
        );
        for (let i = 0; i < own; i++) {
          lower[(from + i) * queries + query] = low[i]!;
          upper[(from + i) * queries + query] = high[i]!;
        }
      }
    }
  }
  return { betas: Float64Array.from({ length: count }, (_, i) => first + i * step), lower, upper, queries };
}

/** Number of correct queries at each of the given alphas, for the `i`-th sharpness. */
export function countAt(
  { lower, upper, queries }: AlphaIntervals,
  i: number,
  alphas: readonly number[],
): number[] {
  return alphas.map((alpha) => {
    let right = 0;
    for (let q = i * queries; q < (i + 1) * queries; q++)
      if (lower[q]! <= alpha && alpha <= upper[q]!) right++;
    return right;
  });
}

/**
 * The alpha in [0, most] with the most correct queries at the `i`-th sharpness. It is exact, because accuracy is a step function of alpha
 * whose steps are the ends of the intervals. If several alphas are equally good, it is the middle of the first stretch of them, which is
 * far from the stretch's ends.
 */
export function bestAlpha(
  { lower, upper, queries }: AlphaIntervals,
  i: number,
  most: number,
): { alpha: number; correct: number } {
  const opens = new Float32Array(queries);
  const closes = new Float32Array(queries);
  let own = 0;
  for (let q = i * queries; q < (i + 1) * queries; q++) {
    if (lower[q]! > upper[q]! || lower[q]! > most) continue;
    opens[own] = lower[q]!;
    closes[own++] = Math.min(upper[q]!, most);
  }
  opens.subarray(0, own).sort();
  closes.subarray(0, own).sort();
  let open = 0;
  let closed = 0;
  let correct = 0;
  let alpha = 0;
  while (open < own) {
    if (opens[open]! > closes[closed]!) {
      closed++;
      continue;
    }
    open++;
    // A stretch is complete only if the next end closes an interval.
    const next = open < own ? opens[open]! : Number.POSITIVE_INFINITY;
    if (open - closed > correct && next > opens[open - 1]!) {
      correct = open - closed;
      alpha = (opens[open - 1]! + Math.min(next, closes[closed]!)) / 2;
    }
  }
  return { alpha, correct };
}

interface Kernel {
  votesOf(from: number, to: number, count: number, scale: number): void;
  intervals(
    e: number,
    factor: number,
    groups: number,
    size: number,
    owner: number,
    z: number,
    sums: number,
    classes: number,
    label: number,
    count: number,
    lower: number,
    upper: number,
  ): void;
}
