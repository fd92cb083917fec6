import { countUnread } from '../dataset/findings.ts';
import { methodById } from '../methods/index.ts';
import { count, number } from '../words.ts';
import type { BenchSource } from './bench-source.ts';
import { type Cell, type CellSettings, cellsName, type FitResult, type Skipped } from './cell.ts';
import { type Entry, entryOf } from './table-entries.ts';
import type { Part, TablePlan } from './table-plan.ts';

/** A table with its figures, and with notes about missing ones. */
export interface FinishedTable {
  readonly plan: TablePlan;
  readonly entries: readonly Entry[];
  readonly skipped: readonly Skipped[];
  /** Missing parts of the plan, and draws with fewer examples than asked for. */
  readonly missing: readonly string[];
}

/** One fit of a benchmark, which several tables may show. */
export interface Fit {
  readonly source: BenchSource;
  readonly settings: CellSettings;
  /** The name of the file with its results. */
  readonly name: string;
}

/** The fits behind some tables, each once. */
export function fitsOf(plans: readonly TablePlan[], seeds: readonly number[]): Fit[] {
  const fits = new Map<string, Fit>();
  for (const part of plans.flatMap(({ trials }) => trials.flatMap(({ parts }) => parts)))
    for (const settings of drawsOf(part, seeds)) {
      const name = cellsName(part.source, settings);
      fits.set(name, { source: part.source, settings, name });
    }
  return [...fits.values()];
}

/** The figures of a table, from the results of all fits by their names. */
export function finishTable(
  plan: TablePlan,
  seeds: readonly number[],
  results: ReadonlyMap<string, FitResult>,
): FinishedTable {
  const skipped = new Set<Skipped>();
  const cellOf = ({ on }: Part, results: FitResult | undefined): Cell | undefined => {
    if (results && 'reason' in results) skipped.add(results);
    else return on === undefined ? results?.[0] : results?.find((cell) => cell.on === on);
    return undefined;
  };
  const entries = plan.trials.flatMap((trial): Entry[] => {
    const parts = trial.parts.map((part) =>
      drawsOf(part, seeds).map((settings) => cellOf(part, results.get(cellsName(part.source, settings)))),
    );
    const entry = entryOf(trial, parts);
    return entry ? [entry] : [];
  });
  const missing = [
    ...plan.missing,
    ...(plan.axis === 'shots' ? reductions(entries) : []),
    ...unmeasured(entries),
    ...notCovered(new Set(plan.trials.flatMap(({ parts }) => parts.map(({ source }) => source)))),
  ];
  return { plan, entries, skipped: [...skipped], missing };
}

/** Notes about unreadable files and left-out test pictures, which the figures do not cover. */
function notCovered(sources: Iterable<BenchSource>): string[] {
  const notes = [...sources].flatMap(({ name, unread = [], leftOut = [] }) => [
    ...(unread.length > 0 ? [`${name}: ${countUnread(unread)} that could not be read`] : []),
    ...leftOut.map((note) => `${name}: ${note}`),
  ]);
  return [...new Set(notes)];
}

/** One note for each data set whose rejection was asked for and could not be measured. */
function unmeasured(entries: readonly Entry[]): string[] {
  const cells = entries.flatMap((entry) => entry.cells);
  const data = cells.flatMap((cell) => (cell.rejection && cell.auroc === undefined ? [cell.data] : []));
  return [...new Set(data)].map(
    (name) =>
      `${name}: how well other pictures are rejected, because a fifth of its classes cannot be left out, or the test rows are only of these or only of the others`,
  );
}

/** One note for each draw with fewer examples than classes times shots. */
function reductions(entries: readonly Entry[]): string[] {
  const found = entries
    .flatMap(({ cells }) => cells)
    .flatMap(({ data, shots, classes, examples }) =>
      examples < classes * shots
        ? [
            `${data}, ${count(shots, 'shot')}: ${count(examples, 'example')} instead of ${number(classes * shots)}`,
          ]
        : [],
    );
  return [...new Set(found)].map((line) => `${line}, because some classes have fewer`);
}

/** Whether a method learns from examples. Other methods are fitted once for all draws. */
export function learnsFromExamples(id: string): boolean {
  return id === 'auto' || methodById(id).needs.includes('examples');
}

/** The seeds to use: only one if further seeds would repeat the same figures. */
function drawsOf({ source, settings }: Part, seeds: readonly number[]): CellSettings[] {
  const differs = source.testsByDraw || learnsFromExamples(settings.method);
  return (source.seeded && differs ? seeds : seeds.slice(0, 1)).map((seed) => ({ ...settings, seed }));
}
