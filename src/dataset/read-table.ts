import { withRoles } from './named-columns.ts';
import { openParquet, tableOfColumns } from './parquet-file.ts';
import { columnNames, type Role } from './read-options.ts';
import { parseTable, TABLE_ENDINGS, type Table } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';

/** Endings of tables that list pictures. */
export const LIST_ENDINGS = [...TABLE_ENDINGS, '.parquet'];

/** A table that may list pictures: CSV, JSON Lines or Parquet, with the columns that the tree's options name. */
export async function readTable(tree: Tree, file: SourceFile): Promise<Table> {
  const table = /\.parquet$/i.test(file.path)
    ? await parquetTable(file)
    : parseTable(await file.read(), file.path);
  const names = columnsAsked(tree);
  return names.size === 0 ? table : withRoles(table, names);
}

async function parquetTable(file: SourceFile): Promise<Table> {
  const parquet = await openParquet(file);
  return tableOfColumns(parquet, parquet.scalars);
}

/** The titles of the columns that the user named for this tree. Empty if there are none. */
export function columnsAsked({ options }: Pick<Tree, 'options'>): ReadonlyMap<Role, string> {
  return options?.columns === undefined ? new Map() : columnNames(options.columns);
}
