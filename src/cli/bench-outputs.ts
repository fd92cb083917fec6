import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchProtocol } from '../bench/cell.ts';
import type { BenchRun } from '../bench/run.ts';
import type { BenchSource } from '../bench/source.ts';
import { type Entry, pairBest, summarise } from '../bench/summary.ts';
import { UsageError } from '../errors.ts';
import { methodById, methods } from '../methods/index.ts';
import { renderBenchPage } from '../report/bench-page.ts';
import { renderCsv, renderMarkdown, renderText, type Table } from '../report/index.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { version } from '../version.ts';

/** What is compared unless something else is asked for: the paper's methods that need no text tower, and the default. */
const USUAL = [
  'zero-shot',
  'visual-only',
  'linear-probe',
  'clip-adapter',
  'tip-adapter',
  'tip-adapter-f',
  'prototype',
  'auto',
];

/** The methods of a list with commas, `all` of them, or the usual ones. Throws `UsageError` for an unknown one. */
export function benchMethods(list?: string): string[] {
  if (list === undefined) return USUAL;
  if (list === 'all') return [...methods.map(({ id }) => id).filter((id) => id !== 'stack'), 'auto'];
  const ids = list.split(',').map((id) => id.trim());
  for (const id of ids) if (id !== 'auto') methodById(id);
  if (ids.includes('stack')) {
    throw new UsageError('A stack is what auto makes; it cannot be asked for', {
      code: 'bench/stack',
      hint: 'Use auto.',
    });
  }
  return ids;
}

const TUNED_ON: Readonly<Record<BenchProtocol, string>> = {
  folds: 'tuned by folds of the examples alone',
  val: 'tuned on the validation split',
  min4: 'tuned on at most four validation rows a class',
  paper: 'tuned on the reported rows, as published: optimistic',
  fixed: 'not tuned',
};

interface FinishedRun extends BenchRun {
  readonly source: BenchSource;
}

/** Writes JSON, CSV, Markdown and one HTML page; gives the tables for a terminal and what was left out. */
export async function writeOutputs(
  runs: readonly FinishedRun[],
  folder: string,
  terminal: { width: number; color: boolean },
): Promise<{ tables: string[]; files: string[]; skipped: string[] }> {
  await mkdir(folder, { recursive: true });
  const sections = runs.map(({ source, cells }) => {
    const entries = summarise(cells);
    const protocol = cells[0]?.protocol ?? 'fixed';
    return {
      title: `${source.name}: ${source.classes.length} classes, ${source.encoder}`,
      how: `Judged on ${cells[0]?.total ?? 0} ${source.how}; ${TUNED_ON[protocol]}.${source.seeded ? '' : ' One draw of examples.'}`,
      entries,
      table: shotsTable(entries),
      costs: costTable(entries),
      curves: curvesOf(entries),
    };
  });
  const text = (table: Table<Record<string, string>>) => renderText(table, terminal);
  const pages = {
    'bench.json': JSON.stringify(
      { version, made: new Date().toISOString(), runs: runs.map(provenance) },
      null,
      1,
    ),
    'bench.csv': renderCsv(cellTable(runs.flatMap(({ cells }) => cells))),
    'bench.md': sections
      .map(
        ({ title, how, table, costs }) =>
          `## ${title}\n\n${how}\n\n${renderMarkdown(table)}\n\n${renderMarkdown(costs)}`,
      )
      .join('\n\n'),
    'bench.html': renderBenchPage(
      'Few-shot benchmark',
      `Made by tip-adapter ${version}. Each section says which rows were judged and what constants were chosen on.`,
      sections,
    ),
  };
  const files = [];
  for (const [name, content] of Object.entries(pages)) {
    const path = join(folder, name);
    await writeFileAtomic(path, content);
    files.push(path);
  }
  return {
    tables: sections.map(
      ({ title, how, table, costs }) => `\n${title}\n${how}\n\n${text(table)}\n\n${text(costs)}`,
    ),
    files,
    skipped: leftOut(runs),
  };
}

type TextRow = Record<string, string>;

/** Methods by shots: accuracy with its interval, and the likelihood. */
function shotsTable(entries: readonly Entry[]): Table<TextRow> {
  const shots = [...new Set(entries.map((entry) => entry.shots))];
  const ids = [...new Set(entries.map(({ method }) => method))];
  const shown = ({ accuracy, interval }: Entry) =>
    `${(100 * accuracy).toFixed(2)} (${(100 * interval[0]).toFixed(1)}–${(100 * interval[1]).toFixed(1)})`;
  const rows = ids.map((method): TextRow => {
    const own = entries.filter((entry) => entry.method === method);
    return { method, ...Object.fromEntries(own.map((entry) => [String(entry.shots), shown(entry)])) };
  });
  return {
    columns: [
      { title: 'Method', value: ({ method }) => method },
      ...shots.map((k) => ({
        title: `${k} ${k === 1 ? 'shot' : 'shots'}, %`,
        value: (row: TextRow) => row[String(k)] ?? '–',
        align: 'right' as const,
      })),
    ],
    rows,
  };
}

/** What the largest number of shots costs, and how sure the best of it is to be the best. */
function costTable(entries: readonly Entry[]): Table<TextRow> {
  const most = Math.max(0, ...entries.map(({ shots }) => shots));
  const own = entries.filter(({ shots }) => shots === most);
  const pairs = pairBest(own);
  const rows = own.map((entry): TextRow => {
    const pair = pairs.find(({ worse }) => worse === entry.method);
    return {
      method: entry.method,
      took: entry.chosen === entry.method ? '' : entry.chosen,
      nll: entry.nll.toFixed(3),
      fit: entry.fitSeconds.toFixed(2),
      score: entry.scoreMilliseconds.toFixed(3),
      memory: String(entry.peakMemory),
      best: pair ? (pair.p < 1e-4 ? '<0.0001' : pair.p.toFixed(4)) : 'best',
    };
  });
  const column = (title: string, key: string) => ({
    title,
    value: (row: TextRow) => row[key],
    ...(key === 'method' || key === 'took' ? {} : { align: 'right' as const }),
  });
  return {
    columns: [
      column(`At ${most} ${most === 1 ? 'shot' : 'shots'}`, 'method'),
      column('Took', 'took'),
      column('NLL', 'nll'),
      column('Fit, s', 'fit'),
      column('Score, ms a row', 'score'),
      column('Peak MiB', 'memory'),
      column('p against the best', 'best'),
    ],
    rows,
  };
}

function curvesOf(entries: readonly Entry[]) {
  const ids = [...new Set(entries.map(({ method }) => method))];
  return ids.map((name) => ({
    name,
    points: entries
      .filter(({ method }) => method === name)
      .map(({ shots, accuracy, interval }) => ({ shots, accuracy, low: interval[0], high: interval[1] })),
  }));
}

/** Every cell, without the row-by-row answers. */
function cellTable(cells: FinishedRun['cells']): Table<FinishedRun['cells'][number]> {
  const names = [
    'data',
    'encoder',
    'method',
    'chosen',
    'shots',
    'seed',
    'protocol',
    'classes',
    'examples',
    'correct',
    'total',
    'accuracy',
    'nll',
    'fitSeconds',
    'scoreMilliseconds',
    'peakMemory',
    'fingerprint',
    'version',
  ] as const;
  return { columns: names.map((title) => ({ title, value: (cell) => cell[title] })), rows: cells };
}

function provenance({ source, cells, skipped }: FinishedRun) {
  const { name, encoder, fingerprint, classes, dimension, how } = source;
  return { data: name, encoder, fingerprint, classes: classes.length, dimension, how, cells, skipped };
}

/** What could not be computed, and why, a line for each method and reason. */
function leftOut(runs: readonly FinishedRun[]): string[] {
  const lines = new Map<string, number>();
  for (const { data, method, reason } of runs.flatMap(({ skipped }) => skipped)) {
    const line = `left out: ${method} on ${data}: ${reason}`;
    lines.set(line, (lines.get(line) ?? 0) + 1);
  }
  return [...lines].map(([line, count]) => (count > 1 ? `${line} (${count} cells)` : line));
}
