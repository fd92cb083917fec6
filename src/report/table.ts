import stringWidth from 'string-width';
import { printable } from '../printable.ts';

/** One column: its title, and the value that it shows of a row. Numbers are right-aligned by default. */
export interface Column<Row> {
  title: string;
  value(row: Row): string | number;
  align?: 'left' | 'right';
  /** Widest cell in terminal columns (an East Asian wide character takes two); longer text is cut with `…`. */
  maxWidth?: number;
}

/** Rows and the columns that show them. All printed, saved and published tables are made from this. */
export interface Table<Row> {
  columns: readonly Column<Row>[];
  rows: readonly Row[];
}

const GAP = '  ';
const NARROWEST = 4;
const segmenter = new Intl.Segmenter();

/**
 * The table as lines for a terminal, without a final newline: the header, a rule, a line for each row. Control characters
 * in cells are shown as escapes, so that no name moves the cursor or breaks a line. The widest columns of the table shrink until a
 * line fits into `width` columns of the terminal (default: no limit).
 */
export function renderText<Row>(
  table: Table<Row>,
  { width = Number.POSITIVE_INFINITY }: { width?: number } = {},
): string {
  const titles = table.columns.map(({ title }) => printable(title));
  const cells = table.rows.map((row) => table.columns.map((column) => printable(String(column.value(row)))));
  const right = table.columns.map((column) => isRight(table, column));
  const natural = table.columns.map((column, j) => {
    const widest = cells.reduce((most, row) => Math.max(most, stringWidth(row[j]!)), stringWidth(titles[j]!));
    return Math.min(widest, column.maxWidth ?? widest);
  });
  const widths = shrink(natural, width - GAP.length * Math.max(0, natural.length - 1));
  const line = (texts: readonly string[]) =>
    texts
      .map((text, j) => pad(cut(text, widths[j]!), widths[j]!, right[j]!))
      .join(GAP)
      .trimEnd();
  const rule = widths.map((columns) => '─'.repeat(columns)).join(GAP);
  return [line(titles), rule, ...cells.map(line)].join('\n');
}

/** The table in GitHub's Markdown, without a final newline; pipes, backslashes and markup in cells are escaped. */
export function renderMarkdown<Row>(table: Table<Row>): string {
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  return [
    line(table.columns.map(({ title }) => markdown(title))),
    line(table.columns.map((column) => (isRight(table, column) ? '---:' : '---'))),
    ...table.rows.map((row) => line(table.columns.map((column) => markdown(String(column.value(row)))))),
  ].join('\n');
}

/** The table as CSV (RFC 4180): a header record, CRLF after every record, fields quoted where they must be. */
export function renderCsv<Row>(table: Table<Row>): string {
  return [
    csvRecord(table.columns.map(({ title }) => title)),
    ...table.rows.map((row) => csvRecord(table.columns.map((column) => String(column.value(row))))),
  ].join('');
}

/** One record of CSV with its line end. */
export function csvRecord(fields: readonly string[]): string {
  return `${fields.map(csv).join(',')}\r\n`;
}

function isRight<Row>(table: Table<Row>, column: Column<Row>): boolean {
  if (column.align) return column.align === 'right';
  return table.rows.length > 0 && table.rows.every((row) => typeof column.value(row) === 'number');
}

/** Takes one terminal column at a time from the widest table column until the sum fits. */
function shrink(natural: readonly number[], available: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, columns) => sum + columns, 0) - available;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widest < 0 || widths[widest]! <= NARROWEST) break;
    widths[widest]!--;
    excess--;
  }
  return widths;
}

function pad(text: string, columns: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, columns - stringWidth(text)));
  return right ? space + text : text + space;
}

function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    used += stringWidth(segment);
    if (used > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Escapes a text from outside, as one line of Markdown that shows exactly that text. */
export function markdown(text: string): string {
  return printable(text).replace(/[\\`*_{}[\]<>#|~]/g, '\\$&');
}

/** Blanks at the ends are quoted, because many readers drop them otherwise. */
function csv(field: string): string {
  return /[",\r\n]|^\s|\s$/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
