import type { Rectangle } from './marks.ts';
import { columnOf, type Row, type Table } from './text-files.ts';

/** A reader of the boxes of a table's rows. */
export interface Boxes {
  /** The box of a row; its numbers are NaN where the row has none. */
  of(row: Row): Rectangle;
  /** The columns with the boxes. */
  columns: string[];
  /** Whether the numbers are shares of the sides of the picture, as in Open Images. */
  areShares: boolean;
}

/** The prefixes that programs put before the title of a side. */
const PREFIXES = ['', 'bbox_', 'box_', 'bb_', 'roi.', 'roi_'];

/** All titles of a column. */
const titles = (...names: string[]) => PREFIXES.flatMap((prefix) => names.map((name) => prefix + name));

/** The titles of columns that hold one side of a box. Corners are numbered 0 and 1, or 1 and 2. */
const SIDES = {
  left: titles('xmin', 'x_min', 'left', 'xtl', 'x0', 'x1'),
  top: titles('ymin', 'y_min', 'top', 'ytl', 'y0', 'y1'),
  right: titles('xmax', 'x_max', 'right', 'xbr', 'x2', 'x1'),
  bottom: titles('ymax', 'y_max', 'bottom', 'ybr', 'y2', 'y1'),
};

/** The titles of columns that hold a corner and the size of a box. */
const SIZES = {
  left: titles('x', 'left', 'xmin', 'x_min'),
  top: titles('y', 'top', 'ymin', 'y_min'),
  width: [...titles('w', 'width').slice(2), 'w', 'width'],
  height: [...titles('h', 'height').slice(2), 'h', 'height'],
};

const TEXT_COLUMNS = ['bbox', 'box', 'bounding_box', 'boundingbox'];

/** The number in a field; NaN if it is empty. */
export const numberOf = (text: string | undefined) => (text ? Number(text.replace(',', '.')) : Number.NaN);

/** The columns of a table that hold boxes: four sides, a corner and a size, or one text `[x, y, width, height]` as in COCO. */
export function boxColumns(table: Table): { columns: string[]; form: 'sides' | 'size' | 'text' } | undefined {
  const find = (sought: Record<string, string[]>) => {
    const columns = Object.values(sought).flatMap((names) => columnOf(table, names) ?? []);
    return new Set(columns).size === 4 ? columns : undefined;
  };
  const sides = find(SIDES);
  if (sides) return { columns: sides, form: 'sides' };
  const sizes = find(SIZES);
  if (sizes) return { columns: sizes, form: 'size' };
  const text = columnOf(table, TEXT_COLUMNS);
  return text === undefined ? undefined : { columns: [text], form: 'text' };
}

/** Whether rows describe parts of pictures, even if some columns of the boxes are missing. */
export const describesParts = (table: Table) =>
  boxColumns(table) !== undefined || columnOf(table, SIDES.left) !== undefined;

/** Reads the boxes of a table. Undefined if it has no columns of boxes. */
export function boxesIn(table: Table): Boxes | undefined {
  const found = boxColumns(table);
  if (!found) return undefined;
  const { columns, form } = found;
  const numbersOf = (row: Row) =>
    form === 'text'
      ? (row[columns[0]!]?.match(/-?[\d.]+(e-?\d+)?/gi) ?? []).map(Number)
      : columns.map((column) => numberOf(row[column]));
  const all = table.rows.flatMap(numbersOf).filter((value) => !Number.isNaN(value));
  return {
    columns,
    areShares: all.length > 0 && all.every((value) => value >= 0 && value <= 1),
    of(row) {
      const [left = Number.NaN, top = Number.NaN, a = Number.NaN, b = Number.NaN] = numbersOf(row);
      const isSized = form !== 'sides';
      return { left, top, width: isSized ? a : a - left, height: isSized ? b : b - top };
    },
  };
}
