import { DataError } from '../errors.ts';
import { type Columns, SPLIT_COLUMNS } from './columns.ts';
import { quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { visible } from './names.ts';
import { meansSplit } from './splits.ts';
import type { Row, Table } from './text-files.ts';
import type { Finding } from './types.ts';

/** A column with more values does not tell splits, unless its name says so. */
const MOST_VALUES = 4;
const MOST_VALUES_NAMED = 20;

/** Columns with few values that are about files, and not about what they are used for. */
const ABOUT_FILES = new Set(
  'width height depth channels mode format extension ext orientation rotation quality dpi'.split(' '),
);

/**
 * Warns of unused columns that may tell the splits, though neither name nor values say so: those with up to four values, each in most of
 * the classes, and those that are named for splits. Throws `DataError` where a value names a split, in whatever language: rows held out
 * for testing would be learnt from.
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
    const title = `${table.name}: the column "${table.written.get(column) ?? column}"`;
    const shown = quoted(values.map((value) => value || '(empty)'));
    if (isFew && inClasses.some(({ size }) => size > 1) && values.some(isSplit)) {
      throw new DataError(`${title} seems to tell the splits under another name: ${shown}`, {
        code: 'dataset/unknown-split',
        hint: `${RENAME} If it tells something else, remove it.`,
        details: { path: table.name, column, values },
      });
    }
    const isInMost = (value: string) => 2 * inClasses.filter((own) => own.has(value)).length > classes.length;
    const divides = isFew && classes.length > 1 && !ABOUT_FILES.has(column) && values.every(isInMost);
    if (!divides && !isNamed) return [];
    const why = isNamed
      ? 'its values are not names of known splits'
      : 'each of its values is in most classes';
    const message = `${title} may tell the splits, but is not used (${why}: ${shown}), so all rows may be learnt from. ${RENAME}`;
    return [warning('unknown-split-column', message)];
  });
}

const RENAME = 'If it tells the splits, call it split and its values train, val and test.';

/** "Valid" stands beside "invalid", too. */
const isSplit = (value: string) => meansSplit(value) && value.toLowerCase() !== 'valid';
