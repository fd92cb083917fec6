import { groupBy } from '../dataset/groups.ts';
import { meanInterval } from '../metrics/mean-interval.ts';
import { mcnemar } from '../metrics/paired.ts';
import type { BenchProtocol, Cell } from './cell.ts';

/** One method on one data set with one number of shots: the mean over its draws. */
export interface Entry {
  readonly data: string;
  readonly encoder: string;
  readonly method: string;
  readonly protocol: BenchProtocol;
  readonly shots: number;
  readonly draws: number;
  readonly accuracy: number;
  /** 95%: of the mean over draws where there are several, else Wilson's over the judged rows. */
  readonly interval: readonly [number, number];
  readonly nll: number;
  readonly fitSeconds: number;
  readonly scoreMilliseconds: number;
  readonly peakMemory: number;
  /** What was taken in the first draw. */
  readonly chosen: string;
  readonly cells: readonly Cell[];
}

/** Entries in the order of the cells. */
export function summarise(cells: readonly Cell[]): Entry[] {
  const groups = groupBy(cells, ({ data, encoder, method, protocol, shots }) =>
    JSON.stringify([data, encoder, method, protocol, shots]),
  );
  return [...groups.values()].map((own) => {
    const [first] = own;
    const mean = (of: (cell: Cell) => number) => own.reduce((sum, cell) => sum + of(cell), 0) / own.length;
    const { data, encoder, method, protocol, shots, chosen } = first;
    return {
      data,
      encoder,
      method,
      protocol,
      shots,
      draws: own.length,
      accuracy: mean((cell) => cell.accuracy),
      interval:
        own.length > 1 ? clamped(meanInterval(own.map((cell) => cell.accuracy)).interval) : first.interval,
      nll: mean((cell) => cell.nll),
      fitSeconds: mean((cell) => cell.fitSeconds),
      scoreMilliseconds: mean((cell) => cell.scoreMilliseconds),
      peakMemory: Math.max(...own.map((cell) => cell.peakMemory)),
      chosen,
      cells: own,
    };
  });
}

/** A paired comparison of two methods on the same draws and rows (McNemar's exact test over all of them). */
export interface Pairing {
  readonly data: string;
  readonly shots: number;
  readonly protocol: BenchProtocol;
  readonly better: string;
  readonly worse: string;
  /** Accuracy of the first less that of the second. */
  readonly difference: number;
  readonly p: number;
}

/** The best method of each column against every other of it. */
export function pairBest(entries: readonly Entry[]): Pairing[] {
  const columns = groupBy(entries, ({ data, encoder, shots, protocol }) =>
    JSON.stringify([data, encoder, shots, protocol]),
  );
  return [...columns.values()].flatMap((column) => {
    const best = column.reduce((x, y) => (y.accuracy > x.accuracy ? y : x));
    return column
      .filter((other) => other !== best)
      .map((other) => {
        const shared = best.cells.flatMap((cell) => {
          const twin = other.cells.find(({ seed }) => seed === cell.seed);
          return twin && twin.right.length === cell.right.length ? [[cell.right, twin.right] as const] : [];
        });
        const flat = (side: 0 | 1) =>
          Array.from(shared.map((pair) => pair[side]).join(''), (bit) => bit === '1');
        return {
          data: best.data,
          shots: best.shots,
          protocol: best.protocol,
          better: best.method,
          worse: other.method,
          difference: best.accuracy - other.accuracy,
          p: mcnemar(flat(0), flat(1)).p,
        };
      });
  });
}

function clamped([low, high]: readonly [number, number]): [number, number] {
  return [Math.max(0, low), Math.min(1, high)];
}
