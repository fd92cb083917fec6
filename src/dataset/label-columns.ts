import { DataError } from '../errors.ts';
import { count } from '../words.ts';
import { quoted, warning } from './findings.ts';
import { nameKey, visible } from './names.ts';
import type { Table } from './text-files.ts';
import type { Finding } from './types.ts';

/** Whether a column holds nothing but whole numbers: codes of classes. */
export function isNumbered({ rows }: Table, column: string): boolean {
  return rows.every((row) => /^\s*(-?\d+([.,]0+)?)?\s*$/.test(row[column] ?? ''));
}

/** How often each value of one column stands beside each value of another, by the values' keys. */
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

  /** The values beside which several values of the other column stand. */
  several(): [key: string, beside: { value: string; rows: number }[]][] {
    return [...this.#counts].filter(([, own]) => own.size > 1).map(([key, own]) => [key, [...own.values()]]);
  }

  /** The value that stands beside this one most often. */
  main(key: string): string | undefined {
    const own = [...(this.#counts.get(key) ?? [])];
    return own.reduce((best, next) => (next[1].rows > best[1].rows ? next : best))[0];
  }
}

/** So many of the rows agree where two columns are about the same classes, with mistakes. */
const MOSTLY = 0.8;

/**
 * Compares the column that is read as the class with another that may be. Throws `DataError` where a code has two names, or rows have one
 * class in one column and another in the other: it cannot be told which is wrong. Columns that sort more coarsely or more finely, such as
 * `category` beside `species`, do not contradict each other.
 */
export function compareLabels(table: Table, used: string, other: string): Finding[] {
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
  const title = (column: string) => `"${table.written.get(column) ?? column}"`;
  const both = `${table.name}: the columns ${title(used)} and ${title(other)}`;
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

/** Columns whose names mean the same: the class of a picture. */
const SAME = new Set(['label', 'labels', 'class', 'target']);

/** What a column is about: `class_id` and `class_name` are about the class. */
function subject(column: string): string {
  const own = column.replace(/_(id|name|index)$/, '');
  return SAME.has(own) ? 'class' : own;
}
