import type { BenchSource } from './bench-source.ts';
import type { CellSettings } from './cell.ts';
import type { Published, PublishedCosts } from './published.ts';

/** The fit behind a figure of a table (one for each draw), and the test rows that the figure is about. */
export interface Part {
  readonly source: BenchSource;
  readonly settings: Omit<CellSettings, 'seed'>;
  /** The source's name of the test rows. Default: the first. */
  readonly on?: string;
}

/** A figure of a table: an accuracy, or the arithmetic or harmonic mean of several. */
export interface Trial {
  readonly row: string;
  readonly column: string;
  readonly parts: readonly Part[];
  readonly mean?: 'arithmetic' | 'harmonic';
}

/** A table before its figures are computed. */
export interface TablePlan {
  readonly title: string;
  /** The rows that the figures were measured and tuned on, printed above the table. */
  readonly how: string;
  /** The meaning of the columns: `shots`, `alpha`. Curves are drawn if the columns are numbers. */
  readonly axis: string;
  readonly columns: readonly string[];
  readonly trials: readonly Trial[];
  readonly published?: Published;
  readonly costs?: PublishedCosts;
  /** Notes about data that the table needs and that are missing. */
  readonly missing: readonly string[];
}
