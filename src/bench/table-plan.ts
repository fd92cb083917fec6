import type { BenchSource } from './bench-source.ts';
import type { CellSettings } from './cell.ts';
import type { Published, PublishedCosts } from './published.ts';

/** What is fitted for a number of a table, once for each draw, and which of the test rows counts. */
export interface Part {
  readonly source: BenchSource;
  readonly settings: Omit<CellSettings, 'seed'>;
  /** As the source calls those rows; the first where nothing is said. */
  readonly on?: string;
}

/** A number of a table: an accuracy, or the arithmetic or harmonic mean of several. */
export interface Trial {
  readonly row: string;
  readonly column: string;
  readonly parts: readonly Part[];
  readonly mean?: 'arithmetic' | 'harmonic';
}

/** A table before its numbers are there. */
export interface TablePlan {
  readonly title: string;
  /** Which rows the numbers were measured and tuned on: the first thing to read. */
  readonly how: string;
  /** What the columns are: `shots`, `alpha`; curves are drawn where they are numbers. */
  readonly axis: string;
  readonly columns: readonly string[];
  readonly trials: readonly Trial[];
  readonly published?: Published;
  readonly costs?: PublishedCosts;
  /** What the table needs and does not find, in words. */
  readonly missing: readonly string[];
}
