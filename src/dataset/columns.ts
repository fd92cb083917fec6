import { DataError } from '../errors.ts';
import { count } from '../words.ts';
import { describesParts } from './box-columns.ts';
import { info, quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import {
  type Found,
  isFlag,
  isMissing,
  isTrue,
  LABEL_COLUMNS,
  labelColumn,
  objectsIn,
  type Taken,
  written,
} from './label-columns.ts';
import { lacksColumns } from './named-columns.ts';
import { visible } from './names.ts';
import { meansSplit, splitNamed } from './splits.ts';
import { columnOf, type Row, type Table } from './text-files.ts';
import type { Finding, Split } from './types.ts';

const PATH_COLUMNS =
  `path paths file_name filename filenames file files filepath filepaths file_path file_paths fname image_path
  img_path image_file image_name img_name image_filename image img image_id img_id id
  id_code imageid imagename imagepath imagefile imgpath imgname`.split(/\s+/);
const SPLIT_COLUMNS = 'split splits set subset partition phase usage fold_type data_set dataset'.split(' ');
const FLAG = /^(is|in)_(train|training|val|valid|validation|test|testing|holdout)$/;
/** Columns that are read as flags of a split only if another column holds the classes, because each of these may also be a class. */
const BARE_FLAG = /^(train|training|val|validation|test|testing|holdout)$/;

/** The columns of a table that lists pictures. */
export interface Columns {
  path: string;
  /** The class of a row, as `visible` gives it; '' if the row has none. */
  label(row: Row): string;
  /** The title of the column with the classes, if it is one column. */
  labelColumn?: string;
  /** The split of a row: the value itself if its name is unknown, undefined if the field is empty. Absent if no column holds splits. */
  split?(row: Row): Split | { unknown: string } | undefined;
  group(row: Row): string;
  /** Whether rows describe parts of pictures (boxes). */
  hasBoxes: boolean;
  /** All other columns. */
  unused: string[];
  findings: Finding[];
}

/**
 * Finds the columns of a table of pictures: their paths, classes (one column, or one for each class that holds 0 or 1), splits (one
 * column of names, or flags such as `is_valid`) and groups. Undefined if no column
 * holds paths, or none holds classes.
 */
export function columnsOf(table: Table): Columns | undefined {
  const path = pathColumn(table);
  if (path !== undefined && table.objects?.has(path)) throw objectsIn(table, path, PATH_HINT);
  const group = table.roles?.get('group') ?? 'group';
  const taken = new Set([path, group, ...(table.roles?.values() ?? [])]);
  const split = splitColumns(table, taken);
  const label = path === undefined ? undefined : labelColumn(table, taken);
  if (path === undefined || !label) return undefined;
  refuseDenials(table);
  const unused = table.columns.filter((column) => !taken.has(column));
  const findings = [
    ...takenColumns(table, { path, label: label.column, group }),
    ...(split?.findings ?? []),
    ...label.findings,
  ];
  if (unused.length > 0) {
    const names = count(unused.length, 'column is', 'columns are');
    const titles = unused.map((column) => written(table, column));
    findings.push(info('columns-unused', `${table.name}: ${names} not used (${quoted(titles)}).`));
  }
  return {
    path,
    label: label.of,
    labelColumn: label.column,
    split: split?.of,
    group: (row) => visible(row[group] ?? ''),
    hasBoxes: describesParts(table),
    unused,
    findings,
  };
}

/** Throws `DataError` if rows say which classes a picture does not show, as those of Open Images with the confidence 0 do. */
function refuseDenials(table: Table): void {
  if (!['labelname', 'confidence'].every((column) => table.columns.includes(column))) return;
  const denials = table.rows.filter((row) => Number(row.confidence || Number.NaN) === 0);
  if (denials.length === 0) return;
  throw new DataError(
    `${table.name} has ${count(denials.length, 'row')} with the confidence 0, which say what pictures do not show`,
    {
      code: 'dataset/annotations',
      hint: 'Remove these rows, and keep one class for each picture.',
      details: { path: table.name, rows: denials.length },
    },
  );
}

/** The column that names the pictures. */
export function pathColumn(table: Table): string | undefined {
  if (table.roles?.size === 0) return undefined;
  return table.roles?.get('path') ?? columnOf(table, PATH_COLUMNS);
}

/** Reports which columns are read as paths, classes and groups, unless they have these names. */
function takenColumns(table: Table, taken: Readonly<Record<string, string | undefined>>): Finding[] {
  const has = (column: string | undefined) =>
    column !== undefined && [...table.written.values()].includes(column);
  const named = Object.entries(taken).flatMap(([role, column]) =>
    column === undefined ? [] : [[role, written(table, column)] as const],
  );
  const others = named.filter(([role, title]) => has(title) && title.toLowerCase() !== role);
  if (others.length === 0) return [];
  const all = others.map(([role, title]) => `"${title}" as the ${role}`).join(', ');
  return [info('columns', `${table.name}: read ${all}.`)];
}

/** Throws `DataError` that names the column a table of pictures lacks. */
export function missingColumn(table: Table): DataError {
  if (table.roles?.size === 0) return lacksColumns(table);
  const column = pathColumn(table) ? 'label' : 'path';
  const found =
    table.columns.length > 0 ? `it has ${quoted([...table.written.values()])}` : 'the file is empty';
  return new DataError(`${table.name} has no column "${column}" (${found})`, {
    code: 'dataset/column',
    hint: 'The first line must name the columns path,label and, if known, split and group; a row is then images/1.jpg,cat. Other titles can be named: --columns path=filename,label=breed.',
    details: { path: table.name, column, columns: table.columns },
  });
}

const PATH_HINT = 'Write the path of the picture as text: {"path": "images/1.jpg", "label": "cat"}.';

function splitColumns(
  table: Table,
  taken: Taken,
): Found<Split | { unknown: string } | undefined> | undefined {
  const column = table.roles?.get('split') ?? splitColumn(table, taken);
  if (column !== undefined) {
    taken.add(column);
    const splits = new Map<string, Split | { unknown: string } | undefined>();
    for (const row of table.rows) {
      const value = visible(row[column] ?? '');
      if (splits.has(row[column] ?? '')) continue;
      // Vertex AI leaves it to the training to assign a split.
      const none = value === '' || isMissing(value) || /^unassigned$/i.test(value);
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
      // A picture is held out if one of the columns says so.
      return (['test', 'val', 'train'] as const).find((split) => set.includes(split)) ?? rest;
    },
    findings: [info('split-column', message)],
  };
}

/** Columns of true and false for one split each. Throws `DataError` if a column with such a name holds other values. */
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
        hint: 'Write true or false (or 1 and 0, yes and no), or give the column another name if it does not hold splits.',
        details: { path: table.name, column: name, values: others.slice(0, 20) },
      },
    );
  });
}

/** The column `split`, else a column with a similar name and a split among its values, else a column that holds only names of splits. */
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

/** Most values of a column of splits, unless its name is that of such a column. */
const MOST_VALUES = 4;
const MOST_VALUES_NAMED = 20;

/** Columns with few values that describe files, not their use. */
const ABOUT_FILES = new Set(
  'width height depth channels mode format extension ext orientation rotation quality dpi'.split(' '),
);

/**
 * Warns of unused columns that may hold the splits under unknown names: columns with up to four values, each in most of the classes, and
 * columns that are named for splits. Throws `DataError` if a value names a split in any language, because rows held out for testing
 * would be learnt from.
 */
export function suspectSplits(table: Table, { unused, label }: Columns): Finding[] {
  const classes = [...groupBy(table.rows, label)].filter(([name]) => name !== '').map(([, rows]) => rows);
  return unused.flatMap((column) => {
    const inColumn = (row: Row) => visible(row[column] ?? '');
    const values = [...new Set(table.rows.map(inColumn))];
    const isFew = values.length > 1 && values.length <= MOST_VALUES;
    const isNamed =
      SPLIT_COLUMNS.includes(column) &&
      values.length > 1 &&
      values.length <= MOST_VALUES_NAMED &&
      2 * values.length <= table.rows.length;
    if (!isFew && !isNamed) return [];
    const inClasses = classes.map((rows) => new Set(rows.map(inColumn)));
    const title = `${table.name}: the column "${written(table, column)}"`;
    const shown = quoted(values.map((value) => value || '(empty)'));
    if (isFew && inClasses.some(({ size }) => size > 1) && values.some(isSplit)) {
      throw new DataError(`${title} seems to hold the splits under another name: ${shown}`, {
        code: 'dataset/unknown-split',
        hint: `${RENAME} If it holds something else, remove it.`,
        details: { path: table.name, column, values },
      });
    }
    const isInMost = (value: string) => 2 * inClasses.filter((own) => own.has(value)).length > classes.length;
    const divides = isFew && classes.length > 1 && !ABOUT_FILES.has(column) && values.every(isInMost);
    if (!divides && !isNamed) return [];
    const why = isNamed
      ? 'its values are not names of known splits'
      : 'each of its values is in most classes';
    const message = `${title} may hold the splits, but is not used (${why}: ${shown}), so all rows may be learnt from. ${RENAME}`;
    return [warning('unknown-split-column', message)];
  });
}

const RENAME = 'If it holds the splits, call it split and its values train, val and test.';

/** "Valid" beside "invalid" says whether a picture is usable, not its split. */
const isSplit = (value: string) => meansSplit(value) && value.toLowerCase() !== 'valid';
