import { join } from 'node:path';
import stringWidth from 'string-width';
import type { BenchSource } from '../bench/bench-source.ts';
import type { Cell } from '../bench/cell.ts';
import type { FinishedTable } from '../bench/run.ts';
import { UsageError } from '../errors.ts';
import { listMethods, methodById } from '../methods/index.ts';
import { jsonText } from '../printable.ts';
import { type BenchSection, renderBenchPage } from '../report/bench-page.ts';
import {
  accuracyTable,
  cellTable,
  costTable,
  curvesOf,
  measuresTable,
  type TextRow,
} from '../report/bench-tables.ts';
import { markdown, renderCsv, renderMarkdown, renderText, type Table } from '../report/index.ts';
import { openStore } from '../store/open-store.ts';
import { version } from '../version.ts';
import { count, number } from '../words.ts';
import type { Io, Line } from './io.ts';
import { tableLines } from './print.ts';

/**
 * The methods of a comma-separated list; for `all`, every method; without a list, the usual ones: those of the paper that need no text
 * tower, and the default. Throws `UsageError` for an unknown method.
 */
export function benchMethods(list?: string, usual?: readonly string[]): readonly string[] {
  if (list === undefined && usual) return usual;
  const all = listMethods();
  if (list === undefined || list === 'all') {
    return [...all.filter(({ benchmarked }) => list ?? benchmarked).map(({ id }) => id), 'auto'];
  }
  const ids = list.split(',').map((id) => id.trim());
  const composite = ids.find((id) => id !== 'auto' && methodById(id).composite);
  if (composite !== undefined) {
    throw new UsageError(`The method ${composite} cannot be chosen by name: auto makes it`, {
      code: 'bench/stack',
      hint: 'Use auto.',
    });
  }
  return ids;
}

/** A finished benchmark: its tables and its data. */
interface FinishedBench {
  /** The suite, if one was given. */
  readonly suite?: string;
  readonly sources: readonly BenchSource[];
  /** One line for each data set that is missing. */
  readonly missing: readonly string[];
  readonly tables: readonly FinishedTable[];
}

/** Writes JSON, CSV, Markdown and one HTML page. Returns the tables for a terminal, and notes about what was left out. */
export async function writeOutputs(
  bench: FinishedBench,
  folder: string,
  metrics: boolean,
  io: Io,
): Promise<{ tables: Line[]; summary: BenchSummary; files: string[]; notes: string[] }> {
  const { suite, missing, tables: finished } = bench;
  const sections = finished.map((table) => sectionOf(table, metrics));
  const cells = [...new Set(finished.flatMap(({ entries }) => entries.flatMap((entry) => entry.cells)))];
  const title = suite === undefined ? 'Few-shot benchmark' : `Few-shot benchmark: ${suite}`;
  const pages = {
    'bench.json': jsonText({ ...provenance(bench), cells }, { indent: 1 }),
    'bench.csv': renderCsv(cellTable(cells)),
    'bench.md': sections.map(markdownOf).join('\n\n'),
    'bench.html': renderBenchPage(
      title,
      `Made by tip-adapter ${version}. Each section says on which rows the methods were evaluated and on which the constants were chosen.${missing.length > 0 ? ` Missing: ${missing.join('; ')}.` : ''}`,
      sections,
    ),
  };
  const store = openStore(folder);
  for (const [name, content] of Object.entries(pages))
    await store.put(name, new TextEncoder().encode(content));
  const files = Object.keys(pages).map((name) =>
    folder.includes('://') ? `${folder.replace(/\/*$/, '')}/${name}` : join(folder, name),
  );
  const notes = [...missing.map((line) => `missing: ${line}`), ...leftOut(finished)];
  const tables = sections.flatMap((section, i) => textOf(section, finished[i]!, io));
  return { tables, summary: summaryOf(bench), files, notes };
}

function sectionOf(table: FinishedTable, metrics: boolean): BenchSection {
  const { title, axis, published, costs } = table.plan;
  const { missing } = table;
  // An ablation is about one method, so it has no costs to compare.
  const methods = new Set(table.entries.map(({ row }) => row)).size;
  const numbers = methods > 1 || (methods === 1 && axis === 'shots');
  return {
    title,
    how: howOf(table),
    tables: {
      'Accuracy and its 95% interval': accuracyTable(table),
      ...(numbers && { 'Costs, and the p-value of each difference from the best method': costTable(table) }),
      ...(numbers && metrics && { 'Calibration of the probabilities': measuresTable(table) }),
    },
    axis,
    curves: curvesOf(table),
    published: published && costs ? `${published.source}; costs ${costs.source}` : published?.source,
    missing,
  };
}

/** The text above a table: the rows that its figures were measured and tuned on, their number, the classes without a row, and remarks. */
function howOf({ plan, entries }: FinishedTable): string {
  const cells = entries.flatMap((entry) => entry.cells);
  const remarks = new Set(cells.flatMap((cell) => cell.remarks));
  const sentences = [...partsOfClasses(cells), ...Array.from(remarks, (remark) => `${remark}.`)];
  return [plan.how, ...(cells.length > 0 ? [rowsText(cells)] : []), ...sentences].join(' ');
}

/** A sentence with the number of rows that the numbers of a table come from. */
function rowsText(cells: readonly Cell[]): string {
  const totals = cells.map(({ total }) => total);
  const [least, most] = [totals.reduce((a, b) => Math.min(a, b)), totals.reduce((a, b) => Math.max(a, b))];
  const range = least < most ? `${number(least)} to ` : '';
  return `Each fit was evaluated on ${range}${count(most, 'row')}.`;
}

/** Sentences about rows that are not of all classes. */
function partsOfClasses(cells: readonly Cell[]): string[] {
  const sentences = cells.flatMap(({ data, on, testedClasses, classes }) =>
    testedClasses < classes
      ? [
          `The rows of ${on && on !== data ? `${data} (${on})` : data} are of ${number(testedClasses)} of ${count(classes, 'class', 'classes')}.`,
        ]
      : [],
  );
  return [...new Set(sentences)];
}

function notesOf({ published, missing }: BenchSection): string[] {
  return [
    ...(published ? [`Published: ${published}.`] : []),
    ...(missing.length > 0 ? [`Missing: ${missing.join('; ')}.`] : []),
  ];
}

function textOf(section: BenchSection, finished: FinishedTable, io: Io): Line[] {
  const { title, how, tables } = section;
  const [, ...rest] = Object.values<Table<TextRow>>(tables);
  const accuracy = accuracyTable(finished);
  const isWide =
    io.terminal &&
    renderText(accuracy)
      .split('\n')
      .some((line) => stringWidth(line) > io.width);
  // An interval that is cut off cannot be read, so the column is not shortened.
  const fitting = isWide ? accuracyTable(finished, { intervals: false }) : accuracy;
  const lines = [fitting, ...rest].flatMap((table) => ['', ...tableLines(io, table)]);
  return ['', title, how, ...lines, ...notesOf(section)];
}

function markdownOf(section: BenchSection): string {
  const { title, how, tables } = section;
  const texts = Object.values<Table<TextRow>>(tables).map((table) => renderMarkdown(table));
  return [`## ${markdown(title)}`, markdown(how), ...texts, ...notesOf(section).map(markdown)].join('\n\n');
}

function provenance({ suite, sources, missing, tables }: FinishedBench) {
  return {
    version,
    made: new Date().toISOString(),
    suite,
    missing,
    sources: sources.map(({ name, encoder, fingerprint, classes, dimension, how, seeded, notes }) => {
      return { name, encoder, fingerprint, classes: classes.length, dimension, how, seeded, notes };
    }),
    tables: tables.map((table) => {
      const { plan, entries, skipped, missing } = table;
      const { title, axis, columns, published } = plan;
      const numbers = entries.map(({ row, column, draws, planned, accuracy, interval }) => {
        return { row, column, draws, planned, accuracy, interval };
      });
      return { title, how: howOf(table), axis, columns, numbers, published, missing, skipped };
    }),
  };
}

type BenchSummary = ReturnType<typeof summaryOf>;

/** The accuracies as CSV. bench.json has everything. */
function summaryOf(bench: FinishedBench) {
  const { suite, missing, tables } = provenance(bench);
  return {
    suite,
    missing,
    tables: tables.map(({ title, how, numbers, missing: absent, skipped }) => {
      return { title, how, numbers, missing: absent, skipped };
    }),
  };
}

/** A line for each method that could not be computed, with the reason. */
function leftOut(tables: readonly FinishedTable[]): string[] {
  const lines = new Map<string, number>();
  const skipped = new Set(tables.flatMap((table) => table.skipped));
  for (const { data, method, reason, failed } of skipped) {
    const line = `${failed ? 'failed' : 'left out'}: ${method} on ${data}: ${reason}`;
    lines.set(line, (lines.get(line) ?? 0) + 1);
  }
  return [...lines].map(([line, fits]) => (fits > 1 ? `${line} (${count(fits, 'fit')})` : line));
}
