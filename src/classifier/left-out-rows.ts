import type { FeatureBlock } from '../dataset/row-blocks.ts';
import { matrix, row, selectRows } from '../math/matrix.ts';
import type { Samples } from '../methods/samples.ts';

/** Largest expected number of rows that are left out, and their largest expected share. */
const LEFT_OUT = { most: 2048, share: 0.2 };

/** A number from 0 to 1 for a place in the data, the same whatever is read before (the finaliser of MurmurHash3). */
function numberOfPlace(place: number, seed: number): number {
  let h = Math.imul(place >>> 0, 0xcc9e2d51) ^ Math.imul(Math.floor(place / 2 ** 32) + 1, 0x1b873593) ^ seed;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Whether the row of this place is left out. */
export type IsLeftOut = (place: number) => boolean;

/** Tells which of `rows` rows are left out of a summary, by their places. */
export function leftOutOf(rows: number, seed: number): IsLeftOut {
  const share = Math.min(LEFT_OUT.share, LEFT_OUT.most / rows);
  return (place) => numberOfPlace(place, seed) < share;
}

/** Tells which of `rows` rows are drawn, about `most` of them, by their places. The draw does not depend on which rows are left out. */
export function drawnOf(most: number, rows: number, seed: number): IsLeftOut {
  const share = most / rows;
  return (place) => numberOfPlace(place, seed ^ DRAW) < share;
}

/** Makes the numbers of a draw others than those that decide which rows are left out. */
const DRAW = 0x5bd1e995;

/** Divides a block into the rows that are left out and the rest. The rest is in the block's own memory, and in another order. */
export function divided(
  block: FeatureBlock,
  isLeftOut: IsLeftOut,
): { rest: FeatureBlock; left: FeatureBlock } {
  const { rows, labels, places } = block;
  const leftOut: number[] = [];
  for (let i = 0; i < labels.length; i++) if (isLeftOut(places[i]!)) leftOut.push(i);
  const left = {
    rows: selectRows(rows, leftOut),
    labels: Int32Array.from(leftOut, (i) => labels[i]!),
    places: Float64Array.from(leftOut, (i) => places[i]!),
  };
  // The last rows fill the gaps, from the last gap on.
  let n = labels.length;
  for (const gap of leftOut.reverse()) {
    n--;
    row(rows, gap).set(row(rows, n));
    labels[gap] = labels[n]!;
    places[gap] = places[n]!;
  }
  const d = rows.cols;
  const rest = {
    rows: matrix(n, d, rows.data.subarray(0, n * d)),
    labels: labels.subarray(0, n),
    places: places.subarray(0, n),
  };
  return { rest, left };
}

/** Rows with a random number each, of which those with the smallest numbers are kept. */
interface Drawn {
  readonly rows: Float32Array[];
  readonly numbers: number[];
}

/** Draws at most `perClass` rows of each class. The draw does not depend on the order in which blocks are added. */
export function createDraw(classes: number, perClass: number, seed: number) {
  const drawn: Drawn[] = Array.from({ length: classes }, () => ({ rows: [], numbers: [] }));
  const largest = new Float64Array(classes).fill(Number.POSITIVE_INFINITY);
  return {
    add({ rows, labels, places }: FeatureBlock): void {
      for (let i = 0; i < labels.length; i++) {
        const c = labels[i]!;
        const number = numberOfPlace(places[i]!, seed);
        const own = drawn[c]!;
        if (own.rows.length < perClass) {
          own.rows.push(row(rows, i).slice());
          own.numbers.push(number);
          if (own.rows.length === perClass) largest[c] = Math.max(...own.numbers);
        } else if (number < largest[c]!) {
          const at = own.numbers.indexOf(largest[c]!);
          own.rows[at] = row(rows, i).slice();
          own.numbers[at] = number;
          largest[c] = Math.max(...own.numbers);
        }
      }
    },
    samples(dimension: number): Samples {
      const labels = drawn.flatMap(({ rows }, c) => rows.map(() => c));
      const all = matrix(labels.length, dimension);
      let at = 0;
      for (const { rows, numbers } of drawn) {
        const order = [...rows.keys()].sort((a, b) => numbers[a]! - numbers[b]!);
        for (const i of order) row(all, at++).set(rows[i]!);
      }
      return { rows: all, labels: Int32Array.from(labels) };
    },
  };
}

/** At most `most` of the samples, evenly spaced: those of a class may follow one another. */
export function spaced({ rows, labels }: Samples, most: number): Samples {
  const n = Math.min(most, labels.length);
  const chosen = Array.from({ length: n }, (_, i) => Math.floor((i * labels.length) / n));
  return { rows: selectRows(rows, chosen), labels: Int32Array.from(chosen, (i) => labels[i]!) };
}

/** Rows that are collected from blocks. */
export function createCollection(dimension: number) {
  const parts: Samples[] = [];
  return {
    add(samples: Samples): void {
      if (samples.labels.length > 0) parts.push(samples);
    },
    samples(): Samples {
      const n = parts.reduce((sum, { labels }) => sum + labels.length, 0);
      const rows = matrix(n, dimension);
      const labels = new Int32Array(n);
      let at = 0;
      for (const part of parts) {
        rows.data.set(part.rows.data, at * dimension);
        labels.set(part.labels, at);
        at += part.labels.length;
      }
      return { rows, labels };
    },
  };
}
