import { type Options, parse } from 'csv-parse/sync';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { parseJson as parseBounded } from '../json.ts';
import { count } from '../words.ts';
import { visible } from './names.ts';

/**
 * The text in a file's bytes: UTF-8, or UTF-16 as Excel, Notepad and PowerShell write it, with or without a byte order mark. Throws
 * `DataError` `dataset/encoding` for anything else.
 */
export function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${name} is not in UTF-8`, {
      code: 'dataset/encoding',
      hint: 'Save it as UTF-8 (in Excel: "CSV UTF-8").',
      details: { path: name },
      cause,
    });
  }
}

/** UTF-16 text begins with a byte order mark, or with a character that has one zero byte. */
function encodingOf(bytes: Uint8Array): string {
  if (bytes.length < 2) return 'utf-8';
  const [first, second] = [bytes[0]!, bytes[1]!];
  if ((first === 0xff && second === 0xfe) || (first > 0 && second === 0)) return 'utf-16le';
  if ((first === 0xfe && second === 0xff) || (first === 0 && second > 0)) return 'utf-16be';
  return 'utf-8';
}

/** ImageNet's 1.28 million pictures with label and name are five million values. */
const BOUNDS = { depth: 64, values: 10_000_000 };

/** Parses JSON and refuses repeated keys, of which `JSON.parse` would keep the last. Throws `SyntaxError` that says what is wrong. */
export function parseJson(text: string): unknown {
  const value = parseBounded(text, BOUNDS, (why, cause) => {
    throw cause ?? new SyntaxError(why);
  });
  const open: Set<string>[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[{}]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (token.endsWith(':')) {
      // Escapes are decoded first: "a" and "\u0061" are the same key.
      const key = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)) as string;
      const keys = open[open.length - 1]!;
      if (keys.has(key)) throw new SyntaxError(`the key "${key}" is given twice`);
      keys.add(key);
    }
  }
  return value;
}

/** A table of texts with a header: CSV (`,`, `;`, tab or `|`) or JSON Lines. */
export interface Table {
  /** Path or name, for messages. */
  name: string;
  /** Column names in lower case, with `_` for blanks and hyphens. Columns without a name are left out. */
  columns: string[];
  /** The columns' names as the file writes them. */
  written: ReadonlyMap<string, string>;
  rows: Row[];
  /** Columns that hold a list of several values in some row of JSON Lines. */
  lists?: ReadonlySet<string>;
  /** Columns that hold an object in some row of JSON Lines. */
  objects?: ReadonlySet<string>;
  /** Columns that hold numbers too large for JSON's precision. */
  rounded?: ReadonlySet<string>;
  /** Columns by their role (`path`, `label`, `split`, `group`), if the user names them. Empty if another table is meant. */
  roles?: ReadonlyMap<string, string>;
}

/** A row's values by column. '' is a missing value. */
export type Row = Readonly<Record<string, string>>;

/** Endings of files that `parseTable` reads. */
export const TABLE_ENDINGS = ['.csv', '.tsv', '.jsonl', '.ndjson'];

/** Reads a table. Throws `DataError` that names the malformed line or the repeated column. */
export function parseTable(bytes: Uint8Array, name: string): Table {
  const text = decodeText(bytes, name);
  return /\.(jsonl|ndjson)$/i.test(name) ? parseJsonLines(text, name) : parseCsv(text, name);
}

/** A table of given rows, which all have the columns of the first row. */
export function tableOf(name: string, rows: Row[]): Table {
  const columns = Object.keys(rows[0] ?? {});
  return { name, columns, written: new Map(columns.map((column) => [column, column])), rows };
}

/** The first of the given column names that the table has. */
export function columnOf(table: Table, names: readonly string[]): string | undefined {
  return names.find((name) => table.columns.includes(name));
}

/** The line that spreadsheets write before the header to name the separator: `sep=;`. */
const SEPARATOR_LINE = /^sep=(.)[^\r\n]*(\r\n|\n|\r|$)/i;

function parseCsv(whole: string, name: string): Table {
  const [line = '', named] = SEPARATOR_LINE.exec(whole) ?? [];
  const text = whole.slice(line.length);
  const header = /^\s*([^\r\n]*)/.exec(text)?.[1] ?? '';
  const delimiter = named ?? separatorOf(header);
  const options: Options = {
    delimiter,
    // A file that two programs have written can have both kinds of line ends.
    record_delimiter: ['\r\n', '\n', '\r'],
    // Blanks inside quotes belong to the field, because file names can begin with a blank.
    trim: delimiter !== '\t',
    skip_empty_lines: true,
    relax_column_count: true,
    // Spreadsheets read a quote in the middle of a field as a letter: 9" pie.
    relax_quotes: true,
  };
  const lineOf = (record: number) => lineOfRecord(text, options, record) + (line === '' ? 0 : 1);
  let records: string[][];
  try {
    records = parse(text, options) as unknown as string[][];
  } catch (cause) {
    const { lines } = cause as { lines?: number };
    const where = lines === undefined ? '' : `, line ${lines + (line === '' ? 0 : 1)}`;
    throw malformed(`${name}${where}: ${(cause as Error).message}`, name, lines, cause);
  }
  // Spreadsheets write emptied rows and columns as empty fields.
  const first = records.findIndex(isFilled);
  const titles = titlesOfBare(records[first] ?? []);
  const start = titles ? first - 1 : first;
  const { columns, written } = namesOf(titles ?? records[first] ?? [], name);
  const rows: Row[] = [];
  for (let i = start + 1; i < records.length; i++) {
    const record = records[i]!;
    if (!isFilled(record)) continue;
    if (record.length > columns.length && isFilled(record.slice(columns.length))) {
      const at = lineOf(i);
      const fields = count(record.length, 'field');
      throw malformed(`${name}, line ${at}, has ${fields}, but the header has ${columns.length}`, name, at);
    }
    const values: Record<string, string> = {};
    for (const [k, column] of columns.entries()) if (column !== '') values[column] = record[k] ?? '';
    rows.push(values);
  }
  return { name, columns: columns.filter((column) => column !== ''), written, rows };
}

const isFilled = (record: readonly string[]) => record.some((value) => value.trim() !== '');

const BOX = ['xmin', 'ymin', 'xmax', 'ymax'];

/**
 * The titles of the tables that are written without a header: those of Google's AutoML and Vertex AI
 * (`TRAIN,gs://bucket/1.jpg,cat,0.1,0.2,,,0.3,0.4,,`) and of keras-retinanet (`1.jpg,10,20,30,40,cat`).
 */
function titlesOfBare(record: readonly string[]): string[] | undefined {
  const [first = '', second = '', ...rest] = record;
  if (/^(train|validat(e|ion)|test|unassigned)$/i.test(first) && isImagePath(second) && rest.length > 0) {
    const [xmin, ymin, xmax, ymax] = BOX as [string, string, string, string];
    const titles = ['split', 'path', 'label', xmin, ymin, '', '', xmax, ymax, '', ''];
    return titles.slice(0, Math.max(3, record.length));
  }
  const numbers = record.slice(1, 5);
  const isBox = record.length === 6 && numbers.every((one) => /^-?\d*(\.\d+)?$/.test(one));
  return isBox && isImagePath(first) ? ['path', ...BOX, 'label'] : undefined;
}

/** Counting lines takes as long as reading, so it is done only for an error message. */
function lineOfRecord(text: string, options: Options, record: number): number {
  const records = parse(text, { ...options, info: true, to: record + 1 }) as unknown as {
    info: { lines: number };
  }[];
  return records[record]!.info.lines;
}

/** The separator that is most frequent in the header, outside quotes. */
function separatorOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const counts = [',', ';', '\t', '|'].map((separator) => ({ separator, n: bare.split(separator).length }));
  return counts.reduce((best, next) => (next.n > best.n ? next : best)).separator;
}

/** Names of columns in the order of the titles. Titles without a name at the end are dropped. */
function namesOf(titles: readonly string[], name: string): Pick<Table, 'columns' | 'written'> {
  const last = titles.findLastIndex((title) => title.trim() !== '');
  const columns = titles.slice(0, last + 1).map(columnName);
  const named = columns.filter((column) => column !== '');
  checkColumns(name, named.length);
  const seen = new Set<string>();
  const twice = named.find((column) => seen.size === seen.add(column).size);
  if (twice !== undefined) throw twoColumns(name, twice);
  return { columns, written: new Map(columns.map((column, i) => [column, visible(titles[i]!)])) };
}

/** The name of a column by its title: lower case, `_` for blanks and hyphens. */
export function columnName(title: string): string {
  const name = visible(title)
    .toLowerCase()
    .replace(/[\s-]+/g, '_');
  // Rows are plain objects. A name such as "constructor" would read a property that every object has.
  return name in Object.prototype ? `${name}_` : name;
}

/** Largest number of columns of a table: there may be one for each class. */
const MOST_COLUMNS = 20_000;

/** Throws `DataError` if a table has too many columns. */
export function checkColumns(name: string, columns: number): void {
  if (columns <= MOST_COLUMNS) return;
  throw new DataError(
    `${name} has ${count(columns, 'column')}, and tables of up to ${count(MOST_COLUMNS, 'column')} are read`,
    {
      code: 'dataset/column',
      hint: 'Write a table with the columns path,label.',
      details: { path: name, columns },
    },
  );
}

function twoColumns(name: string, column: string): DataError {
  return new DataError(`${name} has the column "${column}" twice`, {
    code: 'dataset/column',
    hint: 'Remove one of them, or give it another name.',
    details: { path: name, column },
  });
}

function parseJsonLines(text: string, name: string): Table {
  const written = new Map<string, string>();
  const rows: Row[] = [];
  const lists = new Set<string>();
  const objects = new Set<string>();
  const rounded = new Set<string>();
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const values: Record<string, string> = {};
    for (const [key, value] of Object.entries(parseObject(line, name, i + 1))) {
      const column = columnName(key);
      if (Object.hasOwn(values, column)) throw twoColumns(`${name}, line ${i + 1}`, column);
      if (!written.has(column)) written.set(column, visible(key));
      if (written.size > MOST_COLUMNS) checkColumns(name, written.size);
      values[column] = textOf(value);
      if (Array.isArray(value) && value.length > 1) lists.add(column);
      if ([value].flat().some(isObject)) objects.add(column);
      if ([value].flat().some(isRounded)) rounded.add(column);
    }
    rows.push(values);
  }
  return { name, columns: [...written.keys()], written, rows, lists, objects, rounded };
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null;
const isRounded = (value: unknown) => typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER;

function parseObject(line: string, name: string, number: number): object {
  try {
    const value = parseJson(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw malformed(`${name}, line ${number}: ${(cause as Error).message}`, name, number, cause);
  }
  throw malformed(`${name}, line ${number}, is not a JSON object`, name, number);
}

/** Lists (of prompts) in the form of classes.csv. No column uses other structures. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join('|');
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}

function malformed(message: string, path: string, line?: number, cause?: unknown): DataError {
  return new DataError(message, {
    code: 'dataset/table',
    hint: 'Write a header line, then one line for each row with the same number of fields. Put a field that holds the separator in quotes.',
    details: { path, line },
    cause,
  });
}
