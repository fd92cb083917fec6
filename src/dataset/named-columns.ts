import { DataError } from '../errors.ts';
import { quoted } from './findings.ts';
import type { Role } from './read-options.ts';
import { columnName, type Table } from './text-files.ts';

/**
 * The table with the columns that the user named for its roles. If it has none of these columns, another table is meant, and it gets no
 * column of paths. Throws `DataError` `dataset/column` if it has only some of them.
 */
export function withRoles(table: Table, names: ReadonlyMap<Role, string>): Table {
  const roles = new Map<Role, string>();
  const lacking: string[] = [];
  for (const [role, title] of names) {
    const column =
      table.columns.find((one) => table.written.get(one) === title) ??
      table.columns.find((one) => one === columnName(title));
    if (column === undefined) lacking.push(title);
    else roles.set(role, column);
  }
  if (roles.size > 0 && lacking.length > 0) throw lacksColumns(table, lacking);
  return { ...table, roles };
}

/** The error for a table that lacks named columns: some of them, or all. */
export function lacksColumns(table: Table, titles?: readonly string[]): DataError {
  const what = titles ? `no column ${quoted(titles)}` : 'none of the named columns';
  return new DataError(`${table.name} has ${what} (it has ${quoted([...table.written.values()])})`, {
    code: 'dataset/column',
    hint: 'Give the titles in --columns as the table writes them.',
    details: { path: table.name, columns: table.columns },
  });
}
