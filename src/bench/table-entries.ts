import { groupBy } from '../dataset/groups.ts';
import { meanInterval } from '../metrics/mean-interval.ts';
import { mcnemar } from '../metrics/paired.ts';
import type { Cell } from './cell.ts';
import type { Trial } from './table-plan.ts';

/** A figure of a table: the mean over its draws. */
export interface Entry {
  readonly row: string;
  readonly column: string;
  /** Number of draws in the mean, and number of planned draws. They differ if fits fail. */
  readonly draws: number;
  readonly planned: number;
  readonly accuracy: number;
  /** 95% interval: of the mean over several draws, or Wilson's over the test rows of one draw. Undefined for a mean of single draws. */
  readonly interval?: readonly [number, number];
  /** The cells of all its fits. */
  readonly cells: readonly Cell[];
}

/**
 * The entry of a trial from the cells of its parts. A part has one cell for each draw, or one for all draws. A draw counts if all parts
 * have its cell. Undefined if no draw counts.
 */
export function entryOf(
  { row, column, mean = 'arithmetic' }: Trial,
  parts: readonly (readonly (Cell | undefined)[])[],
): Entry | undefined {
  const planned = Math.max(...parts.map(({ length }) => length));
  const draws = Array.from({ length: planned }, (_, draw) =>
    parts.map((cells) => (cells.length === 1 ? cells[0] : cells[draw])),
  ).filter((cells) => cells.every((cell) => cell !== undefined));
  if (draws.length === 0) return undefined;
  const values = draws.map((cells) => MEANS[mean](cells.map(({ accuracy }) => accuracy)));
  const cells = [...new Set(draws.flat())];
  const accuracy = MEANS.arithmetic(values);
  const interval = intervalOf(values, parts.length === 1 ? cells[0] : undefined);
  return { row, column, draws: draws.length, planned, accuracy, interval, cells };
}

/** Draws with identical figures count as one. */
function intervalOf(values: readonly number[], only?: Cell): readonly [number, number] | undefined {
  if (values.some((value) => value !== values[0])) return clamped(meanInterval(values).interval);
  return only?.interval;
}

const MEANS: Readonly<Record<NonNullable<Trial['mean']>, (values: readonly number[]) => number>> = {
  arithmetic: (values) => values.reduce((sum, x) => sum + x, 0) / values.length,
  harmonic: (values) => (values.includes(0) ? 0 : values.length / values.reduce((sum, x) => sum + 1 / x, 0)),
};

/** The mean of a measure over an entry's cells. Undefined if no cell has it. */
export function meanOf(entry: Entry, measure: (cell: Cell) => number): number;
export function meanOf(entry: Entry, measure: (cell: Cell) => number | undefined): number | undefined;
export function meanOf({ cells }: Entry, measure: (cell: Cell) => number | undefined): number | undefined {
  const values = cells.flatMap((cell) => measure(cell) ?? []);
  return values.length > 0 ? MEANS.arithmetic(values) : undefined;
}

/** A paired comparison of two rows of a table on the same draws and pictures (McNemar's exact test over all of them). */
export interface Pairing {
  readonly column: string;
  readonly better: string;
  readonly worse: string;
  /** Accuracy of the first minus that of the second. */
  readonly difference: number;
  readonly p: number;
}

/** Compares the best row of each column with every other row of the column that was tested on the same pictures. */
export function pairBest(entries: readonly Entry[]): Pairing[] {
  return [...groupBy(entries, ({ column }) => column).values()].flatMap((column) => {
    const best = column.reduce((x, y) => (y.accuracy > x.accuracy ? y : x));
    return column
      .filter((other) => other !== best)
      .flatMap((other): Pairing[] => {
        const shared = best.cells.flatMap((cell) => {
          const twin = other.cells.find(
            ({ data, on, seed }) => data === cell.data && on === cell.on && seed === cell.seed,
          );
          return twin && twin.right.length === cell.right.length ? [[cell.right, twin.right] as const] : [];
        });
        const flat = (side: 0 | 1) =>
          Array.from(shared.map((pair) => pair[side]).join(''), (bit) => bit === '1');
        if (shared.length === 0) return [];
        const { p } = mcnemar(flat(0), flat(1));
        const difference = best.accuracy - other.accuracy;
        return [{ column: best.column, better: best.row, worse: other.row, difference, p }];
      });
  });
}

function clamped([low, high]: readonly [number, number]): [number, number] {
  return [Math.max(0, low), Math.min(1, high)];
}
