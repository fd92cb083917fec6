import { DataError } from '../errors.ts';
import { count } from '../words.ts';
import { info, quoted, warning } from './findings.ts';
import { joinedFindings, joinedLabels } from './joined-labels.ts';
import { compareLabels, isNumbered } from './label-columns.ts';
import { spellingFindings, visible } from './names.ts';
import { meansSplit, splitNamed } from './splits.ts';
import { columnOf, type Row, type Table } from './text-files.ts';
import type { Finding, Split } from './types.ts';

const PATH_COLUMNS =
  `path paths file_name filename filenames file files filepath filepaths file_path file_paths fname image_path
  img_path image_file image_name img_name image_filename image img image_id img_id id`.split(/\s+/);
const LABEL_COLUMNS =
  `label labels class category class_name label_name category_name target species class_id label_id
  category_id class_index`.split(/\s+/);
export const SPLIT_COLUMNS = 'split splits set subset partition phase usage fold_type data_set dataset'.split(
  ' ',
);
const FLAG = /^(is|in)_(train|training|val|valid|validation|test|testing|holdout)$/;
/** Flags as long as another column is known to hold the classes: one of these may be a class. */
const BARE_FLAG = /^(train|training|val|validation|test|testing|holdout)$/;
const BOX_COLUMNS = ['bbox', 'xmin', 'x_min', 'bbox_x', 'x1', 'xmax'];

/** What a table that lists pictures says in its columns. */
export interface Columns {
  path: string;
  /** The class a row names, as it is seen; '' for none. */
  label(row: Row): string;
  /** The split a row names: its value where that is no known name, undefined where there is none. Absent where no column tells it. */
  split?(row: Row): Split | { unknown: string } | undefined;
  group(row: Row): string;
  /** Whether rows are parts of pictures. */
  hasBoxes: boolean;
  /** Columns that are none of these. */
  unused: string[];
  findings: Finding[];
}

/**
 * Finds the columns of a table of pictures: their paths, classes (one column, or one for each class that holds 0 or 1), splits (one
 * column of names, or flags such as `is_valid`) and groups. Undefined for the paths or the classes where no column is known as
 * such.
 */
export function columnsOf(table: Table): Columns | undefined {
  const path = pathColumn(table);
  if (path !== undefined && table.objects?.has(path)) throw objectsIn(table, path, PATH_HINT);
  const taken = new Set([path, 'group']);
  const split = splitColumns(table, taken);
  const label = path === undefined ? undefined : labelColumn(table, taken);
  if (path === undefined || !label) return undefined;
  const unused = table.columns.filter((column) => !taken.has(column));
  const findings = [...(split?.findings ?? []), ...label.findings];
  if (unused.length > 0) {
    const names = count(unused.length, 'column is', 'columns are');
    const titles = unused.map((column) => written(table, column));
    findings.push(info('columns-unused', `${table.name}: ${names} not used (${quoted(titles)}).`));
  }
  return {
    path,
    label: label.of,
    split: split?.of,
    group: (row) => visible(row.group ?? ''),
    hasBoxes: columnOf(table, BOX_COLUMNS) !== undefined,
    unused,
    findings,
  };
}

/** The column that names the pictures. */
export function pathColumn(table: Table): string | undefined {
  return columnOf(table, PATH_COLUMNS);
}

/** Throws `DataError` that names the column a table of pictures lacks. */
export function missingColumn(table: Table): DataError {
  const column = pathColumn(table) ? 'label' : 'path';
  const found =
    table.columns.length > 0 ? `it has ${quoted([...table.written.values()])}` : 'the file is empty';
  return new DataError(`${table.name} has no column "${column}" (${found})`, {
    code: 'dataset/column',
    hint: 'The first line must name the columns path,label and, if known, split and group; a row is then images/1.jpg,cat.',
    details: { path: table.name, column, columns: table.columns },
  });
}

const written = ({ written: names }: Table, column: string) => names.get(column) ?? column;

type Taken = Set<string | undefined>;

interface Found<T> {
  of(row: Row): T;
  findings: Finding[];
}

function labelColumn(table: Table, taken: Taken): Found<string> | undefined {
  const known = LABEL_COLUMNS.filter((name) => table.columns.includes(name));
  // Of a number and a name for the same class the name says more.
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
  // After it is known that "1,0" is not two classes.
  asIntegers(values);
  const others = known.filter((name) => name !== column);
  const findings = [
    ...others.flatMap((other) => compareLabels(table, column, other)),
    ...labelFindings(table, values, joined.possible),
    ...spellingFindings(table.name, values),
  ];
  return { of: (row) => values.get(row[column] ?? '') as string, findings };
}

/** What pandas writes where there is no value. */
const isMissing = (value: string) => /^(nan|<na>|#n\/?a|<nan>)$/i.test(value);

/** pandas writes 1.0 for 1 where one value of the column is missing, and spreadsheets in much of Europe write 1,0. */
function asIntegers(values: Map<string, string>): void {
  const named = [...values.values()].filter((value) => value !== '');
  if (!named.every((value) => /^-?\d+([.,]0+)?$/.test(value))) return;
  for (const [given, value] of values) values.set(given, value.replace(/[.,]0+$/, ''));
}

function labelFindings(
  table: Table,
  values: ReadonlyMap<string, string>,
  joined: readonly string[],
): Finding[] {
  const several = joinedFindings(table.name, joined);
  const odd = [...values.values()].filter((value) => /^(none|null|n\/a|na|undefined)$/i.test(value));
  if (odd.length === 0) return several;
  const message = `${table.name}: ${quoted([...new Set(odd)])} counts as the name of a class; leave the field empty where there is no class.`;
  return [...several, warning('class-called-none', message)];
}

/** Of two columns the one that is not the path is the class, where its values repeat (texts about pictures do not) and are not splits. */
function onlyOther(table: Table, taken: Taken): string | undefined {
  const [column, ...more] = table.columns.filter((name) => !taken.has(name));
  if (column === undefined || more.length > 0) return undefined;
  const values = new Set(table.rows.map((row) => row[column] ?? ''));
  const tellsSplits = [...values].every((value) => value === '' || meansSplit(value));
  return 2 * values.size <= table.rows.length && !tellsSplits ? column : undefined;
}

/** A column for each class, with a 1 in that of the picture's. */
function flagColumns(table: Table, taken: Taken): Found<string> | undefined {
  const columns = table.columns.filter((name) => !taken.has(name));
  const areFlags = table.rows.every((row) => columns.every((column) => isFlag(row[column] ?? '')));
  if (columns.length < 2 || table.rows.length === 0 || !areFlags) return undefined;
  const own = (row: Row) => columns.filter((column) => isTrue(row[column] ?? ''));
  const several = table.rows.findIndex((row) => own(row).length > 1);
  if (several >= 0) throw severalLabels(table, `rows with a 1 in several of ${quoted(columns)}`);
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
const PATH_HINT = 'Write the path of the picture as text: {"path": "images/1.jpg", "label": "cat"}.';

function objectsIn(table: Table, column: string, hint: string): DataError {
  return new DataError(`${table.name} has an object in "${written(table, column)}", and a text is needed`, {
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

const isFlag = (value: string) => /^([01]([.,]0+)?|true|false|yes|no|t|f|y|n)?$/i.test(value);
const isTrue = (value: string) => /^(1([.,]0+)?|true|yes|t|y)$/i.test(value);

function splitColumns(
  table: Table,
  taken: Taken,
): Found<Split | { unknown: string } | undefined> | undefined {
  const column = splitColumn(table, taken);
  if (column !== undefined) {
    taken.add(column);
    const splits = new Map<string, Split | { unknown: string } | undefined>();
    for (const row of table.rows) {
      const value = visible(row[column] ?? '');
      if (splits.has(row[column] ?? '')) continue;
      const none = value === '' || isMissing(value);
      splits.set(row[column] ?? '', none ? undefined : (splitNamed(value) ?? { unknown: value }));
    }
    const message = `${table.name}: the column "${written(table, column)}" is read as the split.`;
    const findings = column === 'split' ? [] : [info('split-column', message)];
    return { of: (row) => splits.get(row[column] ?? ''), findings };
  }
  const flags = flagsOfSplits(table, taken);
  if (flags.length === 0) return undefined;
  for (const flag of flags) taken.add(flag);
  const splitOf = (flag: string) => splitNamed(flag.replace(/^i[sn]_/, '')) as Split;
  const rest: Split = flags.some((flag) => splitOf(flag) === 'train') ? 'test' : 'train';
  const message = `${table.name}: ${quoted(flags.map((flag) => written(table, flag)))} are read as the splits.`;
  return {
    of: (row) => {
      const set = flags.filter((flag) => isTrue(row[flag] ?? '')).map(splitOf);
      // A picture that is held out by one of the columns is held out.
      return (['test', 'val', 'train'] as const).find((split) => set.includes(split)) ?? rest;
    },
    findings: [info('split-column', message)],
  };
}

/** Columns that say of each row whether it is of a split. Throws `DataError` where one is named so and says something else. */
function flagsOfSplits(table: Table, taken: Taken): string[] {
  const hasClasses = columnOf(table, LABEL_COLUMNS) !== undefined;
  return table.columns.filter((name) => {
    if (taken.has(name) || !(FLAG.test(name) || (hasClasses && BARE_FLAG.test(name)))) return false;
    const others = [...new Set(table.rows.map((row) => row[name] ?? ''))].filter((value) => !isFlag(value));
    if (others.length === 0) return true;
    if (!FLAG.test(name)) return false;
    throw new DataError(
      `${table.name}: "${written(table, name)}" is neither true nor false: ${quoted(others)}`,
      {
        code: 'dataset/unknown-split',
        hint: 'Write true or false (or 1 and 0, yes and no), or give the column another name if it does not tell the split.',
        details: { path: table.name, column: name, values: others.slice(0, 20) },
      },
    );
  });
}

/** The column called split; else one of another such name that has a split's, or one with nothing but names of splits. */
function splitColumn(table: Table, taken: Taken): string | undefined {
  if (table.columns.includes('split')) return 'split';
  const named = table.columns.filter((name) => !taken.has(name) && !LABEL_COLUMNS.includes(name));
  const splitsIn = (column: string) => {
    const values = [...new Set(table.rows.map((row) => row[column] ?? ''))].filter((value) => value !== '');
    const splits = values.length > 20 ? [] : values.map((value) => splitNamed(value));
    return { known: new Set(splits.filter(Boolean)).size, all: splits.every(Boolean) };
  };
  return (
    SPLIT_COLUMNS.find((name) => named.includes(name) && splitsIn(name).known > 0) ??
    named.find((name) => {
      const { known, all } = splitsIn(name);
      return all && known > 1;
    })
  );
}
