import { countUnread } from '../dataset/findings.ts';
import { throwIfAborted } from '../errors.ts';
import { methodById } from '../methods/index.ts';
import { count, number } from '../words.ts';
import type { BenchSource } from './bench-source.ts';
import { type Cell, type CellSettings, cellsOf, type Skipped } from './cell.ts';
import { type Entry, entryOf } from './table-entries.ts';
import type { Part, TablePlan } from './table-plan.ts';

export interface BenchProgress {
  readonly done: number;
  readonly total: number;
  /** Number of fits that an earlier run finished. */
  readonly kept: number;
  readonly now: string;
}

/** A table with its figures, and with notes about missing ones. */
export interface FinishedTable {
  readonly plan: TablePlan;
  readonly entries: readonly Entry[];
  readonly skipped: readonly Skipped[];
  /** Missing parts of the plan, and draws with fewer examples than asked for. */
  readonly missing: readonly string[];
}

/**
 * Computes all figures of some tables. A fit that several tables show is computed once. Finished fits are saved in `folder` and not
 * computed again, so that an interruption loses at most one.
 */
export async function runTables(
  plans: readonly TablePlan[],
  seeds: readonly number[],
  folder: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?(progress: BenchProgress): void } = {},
): Promise<FinishedTable[]> {
  const jobs = new Map<string, { part: Part; settings: CellSettings }>();
  for (const part of plans.flatMap(({ trials }) => trials.flatMap(({ parts }) => parts)))
    for (const settings of drawsOf(part, seeds)) jobs.set(keyOf(part, settings), { part, settings });
  const results = new Map<string, readonly Cell[] | Skipped>();
  let kept = 0;
  for (const [key, { part, settings }] of jobs) {
    throwIfAborted(signal);
    const now = `${part.source.name} ${settings.method} ${settings.shots}`;
    onProgress?.({ done: results.size, total: jobs.size, kept, now });
    const result = await cellsOf(part.source, settings, folder, signal);
    if (result.kept) kept++;
    results.set(key, result.cells);
  }
  onProgress?.({ done: jobs.size, total: jobs.size, kept, now: '' });
  return plans.map((plan) => finish(plan, seeds, results));
}

function finish(
  plan: TablePlan,
  seeds: readonly number[],
  results: ReadonlyMap<string, readonly Cell[] | Skipped>,
): FinishedTable {
  const skipped = new Set<Skipped>();
  const cellOf = ({ on }: Part, results: readonly Cell[] | Skipped | undefined): Cell | undefined => {
    if (results && 'reason' in results) skipped.add(results);
    else return on === undefined ? results?.[0] : results?.find((cell) => cell.on === on);
    return undefined;
  };
  const entries = plan.trials.flatMap((trial): Entry[] => {
    const parts = trial.parts.map((part) =>
      drawsOf(part, seeds).map((settings) => cellOf(part, results.get(keyOf(part, settings)))),
    );
    const entry = entryOf(trial, parts);
    return entry ? [entry] : [];
  });
  const missing = [
    ...plan.missing,
    ...(plan.axis === 'shots' ? reductions(entries) : []),
    ...unreadOf(new Set(plan.trials.flatMap(({ parts }) => parts.map(({ source }) => source)))),
  ];
  return { plan, entries, skipped: [...skipped], missing };
}

/** Notes about unreadable files, which the figures do not cover. */
function unreadOf(sources: Iterable<BenchSource>): string[] {
  return [...sources].flatMap(({ name, unread = [] }) =>
    unread.length > 0 ? [`${name}: ${countUnread(unread)} that could not be read`] : [],
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

function keyOf({ source }: Part, settings: CellSettings): string {
  return JSON.stringify([source.fingerprint, settings]);
}
