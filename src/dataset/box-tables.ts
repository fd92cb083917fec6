import { readAnnotated } from './annotations.ts';
import { boxColumns, boxesIn, numberOf } from './box-columns.ts';
import { columnsOf, missingColumn } from './columns.ts';
import type { Labelled } from './dataset-layout.ts';
import { info, quoted } from './findings.ts';
import { groupBy } from './groups.ts';
import { written } from './label-columns.ts';
import { checkSplits } from './listed.ts';
import type { Annotated, Annotations } from './marks.ts';
import { heldOut } from './splits.ts';
import type { Row, Table } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Split } from './types.ts';

/** A table with the place of its paths and the split of rows that name none. */
interface BoxTable {
  file: SourceFile;
  base?: string;
  table: Table;
  split?: Split;
}

/** Whether boxes are asked for, and one of the tables has them. */
export function asksBoxes({ options }: Tree, tables: readonly { table: Table }[]): boolean {
  return options?.crop !== undefined && tables.some(({ table }) => boxColumns(table) !== undefined);
}

/** Reads each row of tables as a box in a picture. Throws `DataError` if a table lacks the columns of paths, classes or boxes. */
export async function readBoxTables(
  tree: Tree,
  tables: readonly BoxTable[],
  signal?: AbortSignal,
): Promise<Labelled> {
  const all = tables.map((one): Annotations => ({ ...one, ...annotationsIn(one.table) }));
  const labelled = await readAnnotated(tree, 'tables', all, signal);
  return { ...labelled, isNamed: tables.some(({ table }) => (table.roles?.size ?? 0) > 0) };
}

function annotationsIn(table: Table): Pick<Annotations, 'pictures' | 'findings'> {
  const [columns, boxes] = [columnsOf(table), boxesIn(table)];
  if (!columns || !boxes) throw missingColumn(table);
  const splits = table.rows.map((row) => columns.split?.(row));
  checkSplits(table, splits);
  const splitOf = new Map(table.rows.map((row, i) => [row, splits[i]]));
  const pictures = [...groupBy(table.rows, (row) => row[columns.path] ?? '')].map(
    ([path, rows]): Annotated => {
      const [first] = rows as [Row, ...Row[]];
      const [width, height] = [numberOf(first.width), numberOf(first.height)];
      const isSized = !boxes.columns.includes('width') && width > 0 && height > 0;
      const split = rows.map((row) => splitOf.get(row)).reduce(heldOut);
      const group = columns.group(first);
      return {
        path,
        marks: rows.map((row) => ({ label: columns.label(row), box: boxes.of(row) })),
        ...(split && { split }),
        ...(group && { group }),
        ...(isSized && { size: { width, height } }),
        ...(boxes.areShares && { size: { width: 1, height: 1 } }),
      };
    },
  );
  const titles = boxes.columns.map((column) => written(table, column));
  const unit = boxes.areShares ? 'shares of the width and height' : 'pixels';
  const message = `${table.name}: read ${quoted(titles)} as the box of each row, in ${unit}.`;
  return {
    pictures,
    findings: [
      ...columns.findings.filter(({ code }) => code !== 'dataset/columns-unused'),
      info('box-columns', message),
    ],
  };
}
