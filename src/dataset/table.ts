import { parse } from 'csv-parse/sync';
import { DataError } from '../errors.ts';

/** A table of texts with a header: CSV (`,`, `;` or tab) or JSON Lines. */
export interface Table {
  /** Path or name, for messages. */
  name: string;
  /** Lower-cased, trimmed. */
  columns: string[];
  rows: { line: number; values: Record<string, string> }[];
}

/** Endings of files that `parseTable` reads. */
export const TABLE_ENDINGS = ['.csv', '.tsv', '.jsonl', '.ndjson'];

/** Reads a table. Throws `DataError` naming the line that is wrong. */
export function parseTable(bytes: Uint8Array, name: string): Table {
  const text = decode(bytes, name);
  return /\.(jsonl|ndjson)$/i.test(name) ? parseJsonLines(text, name) : parseCsv(text, name);
}

/** The first of the given column names that the table has. */
export function columnOf(table: Table, names: readonly string[]): string | undefined {
  return names.find((name) => table.columns.includes(name));
}

function decode(bytes: Uint8Array, name: string): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${name} is not in UTF-8`, {
      code: 'dataset/encoding',
      hint: 'Save it as UTF-8 (in Excel: "CSV UTF-8").',
      details: { path: name },
      cause,
    });
  }
}

function parseCsv(text: string, name: string): Table {
  const header = text.split(/\r?\n/).find((line) => line.trim() !== '') ?? '';
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      delimiter: separatorOf(header),
      info: true,
      skip_empty_lines: true,
      relax_column_count: true,
    }) as unknown as typeof records;
  } catch (cause) {
    const { lines } = cause as { lines?: number };
    const where = lines === undefined ? '' : `, line ${lines}`;
    throw malformed(`${name}${where}: ${(cause as Error).message}`, name, lines, cause);
  }
  const columns = (records[0]?.record ?? []).map((column) => column.trim().toLowerCase());
  const rows = records.slice(1).map(({ record, info }) => {
    if (record.length > columns.length) {
      throw malformed(
        `${name}, line ${info.lines}: ${record.length} fields, but the header has ${columns.length}`,
        name,
        info.lines,
      );
    }
    const values = Object.fromEntries(columns.map((column, i) => [column, (record[i] ?? '').trim()]));
    return { line: info.lines, values };
  });
  return { name, columns, rows };
}

/** The separator that the header has most of, outside quotes. */
function separatorOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const counts = [',', ';', '\t'].map((separator) => ({ separator, n: bare.split(separator).length }));
  return counts.reduce((best, next) => (next.n > best.n ? next : best)).separator;
}

function parseJsonLines(text: string, name: string): Table {
  const columns = new Set<string>();
  const rows: Table['rows'] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const values: Record<string, string> = {};
    for (const [key, value] of Object.entries(parseObject(line, name, i + 1))) {
      const column = key.trim().toLowerCase();
      columns.add(column);
      values[column] = textOf(value);
    }
    rows.push({ line: i + 1, values });
  }
  return { name, columns: [...columns], rows };
}

function parseObject(line: string, name: string, number: number): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw malformed(`${name}, line ${number}: ${(cause as Error).message}`, name, number, cause);
  }
  throw malformed(`${name}, line ${number}: not a JSON object`, name, number);
}

/** Lists (of prompts) as classes.csv writes them; other structures are of no use to any column. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join('|');
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
}

function malformed(message: string, path: string, line?: number, cause?: unknown): DataError {
  return new DataError(message, {
    code: 'dataset/table',
    hint: 'A table has a header line, then a line for each row with the same number of fields; a field that holds the separator is quoted.',
    details: { path, line },
    cause,
  });
}
