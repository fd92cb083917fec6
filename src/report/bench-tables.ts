import type { Cell } from '../bench/cell.ts';
import type { FinishedTable } from '../bench/run.ts';
import { type Entry, meanOf, type Pairing, pairBest } from '../bench/table-entries.ts';
import { count, plural } from '../words.ts';
import { PUBLISHED } from './line-chart.ts';
import type { Table } from './table.ts';
import type { Curve } from './types.ts';

/** A row of a benchmark's table: the text of each column, and whether its numbers are published ones. */
export interface TextRow {
  readonly name: string;
  readonly published: boolean;
  readonly values: Readonly<Record<string, string>>;
}

function columnsOf(
  first: string,
  titles: readonly string[],
  left: readonly string[] = [],
): Table<TextRow>['columns'] {
  return [
    { title: first, value: ({ name }) => name },
    ...titles.map((title) => ({
      title,
      value: ({ values }: TextRow) => values[title] ?? '–',
      align: left.includes(title) ? ('left' as const) : ('right' as const),
    })),
  ];
}

/** A table of accuracies in percent, with intervals unless they are left out, and published numbers after them. */
export function accuracyTable(
  { plan, entries }: FinishedTable,
  { intervals = true }: { intervals?: boolean } = {},
): Table<TextRow> {
  const title = (column: string) =>
    plan.axis === 'shots' ? `${count(Number(column), 'shot')}, %` : `${column}, %`;
  const rows = [...new Set(plan.trials.map(({ row }) => row))].map((name): TextRow => {
    const own = entries.filter(({ row }) => row === name);
    return {
      name,
      published: false,
      values: Object.fromEntries(own.map((entry) => [title(entry.column), accuracyText(entry, intervals)])),
    };
  });
  const others = (plan.published?.rows ?? []).map(({ method, values }): TextRow => {
    const shown = Object.entries(values).map(([column, value]) => [title(column), value.toFixed(2)]);
    return { name: method + PUBLISHED, published: true, values: Object.fromEntries(shown) };
  });
  const any = rows.filter(({ values }) => Object.keys(values).length > 0);
  return {
    columns: columnsOf(plan.axis === 'shots' ? 'Method' : `By ${plan.axis}`, plan.columns.map(title)),
    rows: [...any, ...others],
  };
}

function accuracyText(entry: Entry, withInterval: boolean): string {
  const { accuracy, interval } = entry;
  const range = withInterval && interval?.map((share) => (100 * share).toFixed(1)).join('–');
  return `${(100 * accuracy).toFixed(2)}${range ? ` (${range})` : ''}${partText(entry)}`;
}

/** Note beside a mean that is not over all planned draws. */
function partText({ draws, planned }: Entry): string {
  return draws < planned ? `, ${draws} of ${count(planned, 'draw')}` : '';
}

/** A table of times and memory for the last column, and of p-values of each method against the best. */
export function costTable({ plan, entries }: FinishedTable): Table<TextRow> {
  const column = plan.columns.filter((name) => entries.some((entry) => entry.column === name)).at(-1);
  const own = entries.filter((entry) => entry.column === column);
  const pairs = pairBest(own);
  const rows = own.map((entry): TextRow => {
    const { options } = entry.cells[0]!;
    const pair = pairs.find(({ worse }) => worse === entry.row);
    const encoding = meanOf(entry, (cell) => cell.encodeMilliseconds);
    const scoring = meanOf(entry, (cell) => cell.scoreMilliseconds);
    return {
      name: entry.row + partText(entry),
      published: false,
      values: {
        Chosen: chosenText(entry),
        'Accuracy, %': (100 * entry.accuracy).toFixed(2),
        Epochs: epochsOf(options),
        'Fit, s': meanOf(entry, (cell) => cell.fitSeconds).toFixed(2),
        'Score, ms per row': scoring.toFixed(3),
        ...(encoding !== undefined && { 'With encoding, ms': (scoring + encoding).toFixed(1) }),
        'Peak MiB': String(Math.max(...entry.cells.map((cell) => cell.peakMemory))),
        'p against the best': pairText(entry, own, pair),
      },
    };
  });
  const others = (plan.costs?.rows ?? []).map(
    ({ method, accuracy, trainingMinutes, memory }): TextRow => ({
      name: method + PUBLISHED,
      published: true,
      values: {
        'Accuracy, %': accuracy.toFixed(2),
        'Fit, s': String(60 * trainingMinutes),
        ...(memory !== undefined && { 'Peak MiB': `${memory} (GPU)` }),
      },
    }),
  );
  const all = [...rows, ...others];
  const titles = [
    'Chosen',
    'Accuracy, %',
    'Epochs',
    'Fit, s',
    'Score, ms per row',
    'With encoding, ms',
    'Peak MiB',
    'p against the best',
  ];
  const used = titles.filter((title) => all.some(({ values }) => values[title]));
  return {
    columns: columnsOf(
      `At ${column}${plan.axis === 'shots' ? ` ${plural(Number(column), 'shot')}` : ''}`,
      used,
      ['Chosen'],
    ),
    rows: all,
  };
}

/** The methods that `auto` chose over the draws: `anchored`, or `anchored 2 of 3, gda 1 of 3`. */
function chosenText({ cells }: Entry): string {
  const times = new Map<string, number>();
  for (const { chosen } of cells) times.set(chosen, (times.get(chosen) ?? 0) + 1);
  if (cells.every(({ chosen, method }) => chosen === method)) return '';
  if (times.size === 1) return cells[0]!.chosen;
  return [...times].map(([chosen, n]) => `${chosen} ${n} of ${cells.length}`).join(', ');
}

function pairText(entry: Entry, own: readonly Entry[], pair: Pairing | undefined): string {
  if (pair) return pair.p < 1e-4 ? '<0.0001' : pair.p.toFixed(4);
  return own.every(({ accuracy }) => accuracy <= entry.accuracy) ? 'best' : '–';
}

function epochsOf({ epochs, steps, iterations }: Readonly<Record<string, unknown>>): string {
  if (epochs !== undefined) return String(epochs);
  const own = steps ?? iterations;
  return own === undefined ? '' : count(Number(own), 'step');
}

/** A table of the calibration of probabilities in the last column. */
export function measuresTable({ plan, entries }: FinishedTable): Table<TextRow> {
  const column = plan.columns.filter((name) => entries.some((entry) => entry.column === name)).at(-1);
  const shown: Readonly<Record<string, [(cell: Cell) => number | undefined, number]>> = {
    NLL: [(cell) => cell.nll, 3],
    ECE: [(cell) => cell.ece, 4],
    Brier: [(cell) => cell.brier, 3],
    '90% sets hold': [(cell) => cell.coverage, 3],
    'Classes per set': [(cell) => cell.setSize, 2],
    'Rejection AUROC': [(cell) => cell.auroc, 3],
  };
  const rows = entries
    .filter((entry) => entry.column === column)
    .map(
      (entry): TextRow => ({
        name: entry.row + partText(entry),
        published: false,
        values: Object.fromEntries(
          Object.entries(shown).flatMap(([title, [measure, digits]]) => {
            const value = meanOf(entry, measure);
            return value === undefined ? [] : [[title, value.toFixed(digits)]];
          }),
        ),
      }),
    );
  const used = Object.keys(shown).filter((title) => rows.some(({ values }) => values[title]));
  return { columns: columnsOf(`Probabilities at ${column}`, used), rows };
}

/** Curves of measured and published accuracies; none if the columns are not numbers. */
export function curvesOf({ plan, entries }: FinishedTable): Curve[] {
  if (plan.columns.length < 2 || !plan.columns.every((column) => Number.isFinite(Number(column)))) return [];
  const ours = [...new Set(entries.map(({ row }) => row))].map(
    (name): Curve => ({
      name,
      points: entries
        .filter(({ row }) => row === name)
        .map(({ column, accuracy, interval = [accuracy, accuracy] }) => ({
          shots: Number(column),
          accuracy,
          low: interval[0],
          high: interval[1],
        })),
    }),
  );
  const others = (plan.published?.rows ?? []).map(
    ({ method, values }): Curve => ({
      name: method + PUBLISHED,
      published: true,
      points: Object.entries(values).map(([column, value]) => {
        const accuracy = value / 100;
        return { shots: Number(column), accuracy, low: accuracy, high: accuracy };
      }),
    }),
  );
  return [...ours, ...others];
}

const CELL_COLUMNS = [
  'data',
  'encoder',
  'method',
  'chosen',
  'shots',
  'seed',
  'protocol',
  'given',
  'on',
  'classes',
  'testedClasses',
  'examples',
  'correct',
  'total',
  'accuracy',
  'nll',
  'ece',
  'brier',
  'coverage',
  'setSize',
  'auroc',
  'fitSeconds',
  'scoreMilliseconds',
  'encodeMilliseconds',
  'peakMemory',
  'fingerprint',
  'version',
] as const;

/** A table of all cells, without the answers of each row. */
export function cellTable(cells: readonly Cell[]): Table<Cell> {
  const text = (value: Cell[(typeof CELL_COLUMNS)[number]]) =>
    typeof value === 'object' ? JSON.stringify(value) : (value ?? '');
  return {
    columns: CELL_COLUMNS.map((title) => ({ title, value: (cell) => text(cell[title]) })),
    rows: cells,
  };
}
