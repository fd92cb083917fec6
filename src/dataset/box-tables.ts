import { readAnnotated } from './annotations.ts';
import { columnsOf, missingColumn } from './columns.ts';
import type { Labelled } from './dataset-layout.ts';
import { info, quoted } from './findings.ts';
import { groupBy } from './groups.ts';
import { written } from './label-columns.ts';
import { checkSplits } from './listed.ts';
import type { Annotated, Annotations, Rectangle } from './marks.ts';
import { heldOut } from './splits.ts';
import { columnOf, type Row, type Table } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Split } from './types.ts';

/** A table with the place of its paths and the split of rows that name none. */
interface BoxTable {
  file: SourceFile;
  base?: string;
  table: Table;
  split?: Split;
}

/** A reader of the boxes of a table's rows. */
interface Boxes {
  /** The box of a row; its numbers are NaN where the row has none. */
  of(row: Row): Rectangle;
  /** The columns with the boxes. */
  columns: string[];
  /** Whether the numbers are shares of the sides of the picture, as in Open Images. */
  areShares: boolean;
}

/** The titles of columns that hold one side of a box. */
const SIDES = {
  left: 'xmin x_min x1 roi.x1 left bbox_xmin bbox_x_min bbox_x1 bbox_left',
  top: 'ymin y_min y1 roi.y1 top bbox_ymin bbox_y_min bbox_y1 bbox_top',
  right: 'xmax x_max x2 roi.x2 right bbox_xmax bbox_x_max bbox_x2 bbox_right',
  bottom: 'ymax y_max y2 roi.y2 bottom bbox_ymax bbox_y_max bbox_y2 bbox_bottom',
};

/** The titles of columns that hold a corner and the size of a box. */
const SIZES = {
  left: 'bbox_x x',
  top: 'bbox_y y',
  width: 'bbox_width bbox_w w width',
  height: 'bbox_height bbox_h h height',
};

const TEXT_COLUMNS = ['bbox', 'box', 'bounding_box', 'boundingbox'];

const number = (text: string | undefined) => (text ? Number(text.replace(',', '.')) : Number.NaN);

/** The columns of a table that hold boxes: four sides, a corner and a size, or one text `[x, y, width, height]` as in COCO. */
function boxesIn(table: Table): Boxes | undefined {
  const find = <K extends string>(titles: Record<K, string>) => {
    const found = Object.entries<string>(titles).map(([side, names]) => [
      side,
      columnOf(table, names.split(' ')),
    ]);
    if (found.every(([, column]) => column !== undefined))
      return Object.fromEntries(found) as Record<K, string>;
    return undefined;
  };
  const reader = (columns: string[], numbersOf: (row: Row) => number[], isSized: boolean): Boxes => {
    const all = table.rows.flatMap(numbersOf).filter((value) => !Number.isNaN(value));
    return {
      columns,
      areShares: all.length > 0 && all.every((value) => value >= 0 && value <= 1),
      of(row) {
        const [left = Number.NaN, top = Number.NaN, a = Number.NaN, b = Number.NaN] = numbersOf(row);
        return { left, top, width: isSized ? a : a - left, height: isSized ? b : b - top };
      },
    };
  };
  const sides = find(SIDES);
  if (sides) {
    const columns = [sides.left, sides.top, sides.right, sides.bottom];
    return reader(columns, (row) => columns.map((column) => number(row[column])), false);
  }
  const sizes = find(SIZES);
  if (sizes) {
    const columns = [sizes.left, sizes.top, sizes.width, sizes.height];
    return reader(columns, (row) => columns.map((column) => number(row[column])), true);
  }
  const text = columnOf(table, TEXT_COLUMNS);
  if (text === undefined) return undefined;
  return reader([text], (row) => (row[text]?.match(/-?[\d.]+(e-?\d+)?/gi) ?? []).map(Number), true);
}

/** Whether boxes are asked for, and one of the tables has them. */
export function asksBoxes({ options }: Tree, tables: readonly { table: Table }[]): boolean {
  return options?.crop !== undefined && tables.some(({ table }) => boxesIn(table) !== undefined);
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
      const [width, height] = [number(first.width), number(first.height)];
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
