import { DataError } from '../errors.ts';
import { count } from '../words.ts';
import { info, quoted, warning } from './findings.ts';
import { nameKey, spellingFindings, visible } from './names.ts';
import { meansSplit } from './splits.ts';
import type { Row, Table } from './text-files.ts';
import type { Finding } from './types.ts';

export const LABEL_COLUMNS =
  `label labels class category class_name label_name category_name target species class_id label_id
  category_id class_index labelname classname classid labelid class_label`.split(/\s+/);

/** Columns that are already used for something else. */
export type Taken = Set<string | undefined>;

/** A reader of a column's values, with findings about the column. */
export interface Found<T> {
  of(row: Row): T;
  /** The column that is read, as the file writes its name, if it is one column. */
  column?: string;
  findings: Finding[];
}

/** A column's name as the file writes it. */
export const written = ({ written: names }: Table, column: string) => names.get(column) ?? column;

export const isFlag = (value: string) => /^([01]([.,]0+)?|true|false|yes|no|t|f|y|n)?$/i.test(value);
export const isTrue = (value: string) => /^(1([.,]0+)?|true|yes|t|y)$/i.test(value);

/** The classes of the rows, from one column or from a column of 0 and 1 for each class. Throws `DataError` if a row has several. */
export function labelColumn(table: Table, taken: Taken): Found<string> | undefined {
  const named = table.roles?.get('label');
  const known = named
    ? [named]
    : LABEL_COLUMNS.filter((name) => table.columns.includes(name) && !taken.has(name));
  // If one column holds numbers and another the names of the same classes, the names are used.
  const column = known.find((name) => !isNumbered(table, name)) ?? known[0] ?? onlyOther(table, taken);
  if (column === undefined) return flagColumns(table, taken);
  taken.add(column);
  if (table.lists?.has(column))
    throw severalLabels(table, `a list of classes in "${written(table, column)}"`);
  if (table.objects?.has(column)) throw objectsIn(table, column, LABEL_HINT);
  if (table.rounded?.has(column)) throw roundedLabels(table, column);
  const values = new Map<string, string>();
  for (const row of table.rows) {
    const value = row[column] ?? '';
    if (values.has(value)) continue;
    const seen = visible(value);
    values.set(value, isMissing(seen) ? '' : seen);
  }
  const joined = joinedLabels([...values.values()]);
  if (joined.certain.length > 0)
    throw severalLabels(
      table,
      `several classes in one field of "${written(table, column)}": ${quoted(joined.certain)}`,
    );
  // Only now, because it has been checked that "1,0" is not two classes.
  asIntegers(values);
  const others = known.filter((name) => name !== column);
  const findings = [
    ...others.flatMap((other) => compareLabels(table, column, other)),
    ...labelFindings(table, values, joined.possible),
    ...spellingFindings(table.name, values),
  ];
  return { of: (row) => values.get(row[column] ?? '') as string, column: written(table, column), findings };
}

/** Whether a value is one of the texts that pandas writes for a missing value. */
export const isMissing = (value: string) => /^(nan|<na>|#n\/?a|<nan>)$/i.test(value);

/** pandas writes 1.0 for 1 if a value of the column is missing, and spreadsheets in much of Europe write 1,0. */
function asIntegers(values: Map<string, string>): void {
  const named = [...values.values()].filter((value) => value !== '');
  if (!named.every((value) => /^-?\d+([.,]0+)?$/.test(value))) return;
  for (const [given, value] of values) values.set(given, value.replace(/[.,]0+$/, ''));
}

function labelFindings(
  { name }: Table,
  values: ReadonlyMap<string, string>,
  joined: readonly string[],
): Finding[] {
  const findings: Finding[] = [];
  if (joined.length > 0) {
    const message = `${name}: ${quoted(joined)} may each be several classes, because their words are classes of other rows; each is read as one class.`;
    findings.push(warning('joined-labels', message));
  }
  const odd = [...values.values()].filter((value) => /^(none|null|n\/a|na|undefined|-1)$/i.test(value));
  if (odd.length > 0) {
    const message = `${name}: ${quoted([...new Set(odd)])} counts as the name of a class; leave the field empty for a picture without a class.`;
    findings.push(warning('class-called-none', message));
  }
  return findings;
}

/** Of two columns, the one without paths holds the classes if its values repeat (captions do not repeat) and are not splits. */
function onlyOther(table: Table, taken: Taken): string | undefined {
  const [column, ...more] = table.columns.filter((name) => !taken.has(name));
  if (column === undefined || more.length > 0) return undefined;
  const values = new Set(table.rows.map((row) => row[column] ?? ''));
  const tellsSplits = [...values].every((value) => value === '' || meansSplit(value));
  return 2 * values.size <= table.rows.length && !tellsSplits ? column : undefined;
}

/** One column for each class, with a 1 in the column of the picture's class. */
function flagColumns(table: Table, taken: Taken): Found<string> | undefined {
  const columns = table.columns.filter((name) => !taken.has(name));
  const areFlags = table.rows.every((row) => columns.every((column) => isFlag(row[column] ?? '')));
  if (columns.length < 2 || table.rows.length === 0 || !areFlags) return undefined;
  const own = (row: Row) => columns.filter((column) => isTrue(row[column] ?? ''));
  const several = table.rows.filter((row) => own(row).length > 1).length;
  if (several > 0) {
    const rows = count(several, 'row');
    throw severalLabels(table, `${rows} of ${table.rows.length} with a 1 in several of ${quoted(columns)}`);
  }
  for (const column of columns) taken.add(column);
  const of = (row: Row) => {
    const [column] = own(row);
    return column === undefined ? '' : visible(written(table, column));
  };
  const message = `${table.name}: the columns ${quoted(columns.map((column) => written(table, column)))} are read as the classes.`;
  return { of, findings: [info('flag-columns', message)] };
}

function severalLabels(table: Table, what: string): DataError {
  return new DataError(`${table.name} has ${what}, but a picture can have only one class`, {
    code: 'dataset/several-labels',
    hint: 'Write a table with the columns path,label in which each picture has one class; leave out those with several.',
    details: { path: table.name },
  });
}

const LABEL_HINT = 'Write the name of the class as text: {"path": "images/1.jpg", "label": "cat"}.';

export function objectsIn(table: Table, column: string, hint: string): DataError {
  return new DataError(`${table.name} has an object instead of a text in "${written(table, column)}"`, {
    code: 'dataset/table',
    hint,
    details: { path: table.name, column },
  });
}

function roundedLabels(table: Table, column: string): DataError {
  return new DataError(
    `${table.name} has numbers in "${written(table, column)}" that are too large to be told apart`,
    {
      code: 'dataset/table',
      hint: 'Write them as text, between quotes: JSON keeps 15 digits of a number.',
      details: { path: table.name, column },
    },
  );
}

/**
 * Labels that consist of several classes: every label with a bar, and a label with a comma, semicolon or plus if each part is a class
 * of another row. A label with blanks is only suspected: "apple pie" can be a class beside "apple" and "pie".
 */
function joinedLabels(values: readonly string[]): { certain: string[]; possible: string[] } {
  const labels = [...new Set(values)];
  const parts = (label: string, separator: string) =>
    label.split(separator).flatMap((part) => visible(part) || []);
  const whole = new Set(labels);
  const made = (separator: string) =>
    labels.filter((label) => {
      const own = parts(label, separator);
      return own.length > 1 && own.every((part) => whole.has(part));
    });
  const barred = labels.filter((label) => parts(label, '|').length > 1);
  return { certain: [...new Set([...barred, ...[',', ';', '+'].flatMap(made)])], possible: made(' ') };
}

/** Whether a column holds only whole numbers, which are codes of classes. */
function isNumbered({ rows }: Table, column: string): boolean {
  return rows.every((row) => /^\s*(-?\d+([.,]0+)?)?\s*$/.test(row[column] ?? ''));
}

/** Number of rows for each pair of values of two columns, by the values' keys. */
class Beside {
  readonly #counts = new Map<string, Map<string, { value: string; rows: number }>>();

  add(key: string, value: string): void {
    const own = this.#counts.get(key) ?? new Map<string, { value: string; rows: number }>();
    this.#counts.set(key, own);
    const before = own.get(nameKey(value));
    own.set(nameKey(value), { value: before?.value ?? value, rows: (before?.rows ?? 0) + 1 });
  }

  has(key: string): boolean {
    return this.#counts.has(key);
  }

  /** Values of one column that occur with several values of the other. */
  several(): [key: string, beside: { value: string; rows: number }[]][] {
    return [...this.#counts].filter(([, own]) => own.size > 1).map(([key, own]) => [key, [...own.values()]]);
  }

  /** The value of the other column that occurs most often with this value. */
  main(key: string): string | undefined {
    const own = [...(this.#counts.get(key) ?? [])];
    return own.reduce((best, next) => (next[1].rows > best[1].rows ? next : best))[0];
  }
}

/** Share of agreeing rows from which two columns are taken to hold the same classes, with mistakes. */
const MOSTLY = 0.8;

/**
 * Compares the column that is read as the class with another column that may hold classes. Throws `DataError` if a code has two names, or
 * if the two columns give rows different classes, because either column may be wrong. Columns with coarser or finer classes, such as
 * `category` and `species`, do not contradict each other.
 */
function compareLabels(table: Table, used: string, other: string): Finding[] {
  const pairs = table.rows.flatMap((row): [string, string][] => {
    const [name, code] = [visible(row[used] ?? ''), visible(row[other] ?? '')];
    return name === '' || code === '' ? [] : [[name, code]];
  });
  const names = new Beside();
  const codes = new Beside();
  for (const [name, code] of pairs) {
    names.add(nameKey(code), name);
    codes.add(nameKey(name), code);
  }
  const both = `${table.name}: the columns "${written(table, used)}" and "${written(table, other)}"`;
  const disagree = (what: string, details: object) =>
    new DataError(`${both} disagree: ${what}`, {
      code: 'dataset/contradiction',
      hint: 'Correct these rows, or remove the column that is wrong.',
      details: { path: table.name, columns: [used, other], ...details },
    });
  if (!isNumbered(table, other)) {
    const differ = pairs.filter(([name, code]) => {
      const [a, b] = [nameKey(name), nameKey(code)];
      return a !== b && names.has(a) && codes.has(b);
    });
    const [first] = differ;
    if (!first) return [];
    throw disagree(
      `${count(differ.length, 'row is', 'rows are')} ${quoted([first[0]])} in one and ${quoted([first[1]])} in the other`,
      { first },
    );
  }
  const [ambiguous, split] = [names.several(), codes.several()];
  const isSame = subject(used) === subject(other);
  const agree = pairs.filter(([name, code]) => {
    const [a, b] = [nameKey(name), nameKey(code)];
    return names.main(b) === a && codes.main(a) === b;
  });
  const isMostly = split.length > 0 && agree.length >= MOSTLY * pairs.length;
  if (ambiguous.length > 0 && (isSame || isMostly)) {
    const [code, own] = ambiguous[0]!;
    const shown = own.slice(0, 4).map(({ value, rows }) => `"${value}" (${count(rows, 'row')})`);
    throw disagree(`the code ${code} is ${shown.join(' and ')}`, {
      code,
      names: own.map(({ value }) => value),
    });
  }
  if (split.length === 0 || !isSame) return [];
  const shown = split
    .slice(0, 4)
    .map(([name, own]) => `"${name}" has ${own.map(({ value }) => value).join(', ')}`);
  const message = `${both}: ${count(split.length, 'name has', 'names have')} several codes and ${split.length === 1 ? 'is read as one class' : 'are each read as one class'} (${shown.join('; ')}). If they are different classes, give them different names.`;
  return [warning('several-codes', message)];
}

/** Whether two columns' names both mean the class of a picture. */
const SAME = new Set(['label', 'labels', 'class', 'target']);

/** The subject of a column: `class_id` and `class_name` have the subject `class`. */
function subject(column: string): string {
  const own = column.replace(/_(id|name|index)$/, '');
  return SAME.has(own) ? 'class' : own;
}
