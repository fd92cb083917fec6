import { posix } from 'node:path';
import { type DataError, throwIfAborted } from '../errors.ts';
import { count } from '../words.ts';
import { columnsOf, missingColumn } from './columns.ts';
import type { Layout } from './dataset-layout.ts';
import { detached } from './disk-file.ts';
import { LABEL_COLUMNS } from './label-columns.ts';
import { type PictureTable, readListed } from './listed.ts';
import { type Lookup, lookupInTree, lookupNear } from './lookup.ts';
import { withRoles } from './named-columns.ts';
import { damaged, openParquet, type Parquet, tableOfColumns } from './parquet-file.ts';
import { columnsAsked, readTable } from './read-table.ts';
import { splitNamed, splitWithin } from './splits.ts';
import { columnName, type Table } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';

/**
 * The Hub's Parquet files (with a column of pictures, and the names of the classes in the schema's metadata), or tables of paths and
 * labels.
 */
export const parquetLayout: Layout = {
  id: 'parquet',
  about: 'Parquet files as the Hugging Face Hub serves them, or with the columns path and label',
  async read(tree, { signal }) {
    const files = (tree.table ? [tree.table] : tree.files).filter(({ path }) => /\.parquet$/i.test(path));
    if (files.length === 0) return undefined;
    const tables: PictureTable[] = [];
    for (const file of files) {
      throwIfAborted(signal);
      const parquet = await openParquet(file);
      const image = imageColumn(tree, parquet);
      const table = await (image === undefined ? readTable(tree, file) : picturesOf(tree, parquet));
      if (!columnsOf(table)) throw lacksLabel(parquet, table);
      const lookup = image === undefined ? pathsIn(tree, file) : lookupRows(picturesIn(parquet, image));
      tables.push({ table, lookup, split: splitOf(file), areDistinct: image !== undefined });
    }
    return {
      ...(await readListed(tables, signal)),
      layout: count(files.length, 'Parquet file'),
      isListed: true,
      files,
    };
  },
};

/** All pictures in the Parquet files of a tree, whatever their labels are. Files without a column of pictures have none. */
export async function parquetPictures(tree: Pick<Tree, 'files' | 'options'>): Promise<SourceFile[]> {
  const pictures: SourceFile[] = [];
  for (const file of tree.files.filter(({ path }) => /\.parquet$/i.test(path))) {
    const parquet = await openParquet(file);
    const image = imageColumn(tree, parquet);
    if (image === undefined) continue;
    const picture = picturesIn(parquet, image);
    for (let row = 0; row < parquet.rows; row++) pictures.push(picture(row));
  }
  return pictures;
}

/** The error for a file without a column of labels, which names all columns. A list of labels is none. */
function lacksLabel({ columns }: Parquet, table: Table): DataError {
  const written = new Map(columns.map((name) => [columnName(name), name]));
  return missingColumn({ ...table, written });
}

/** The column of pictures: the one that the user named for the paths, or the first. */
function imageColumn(tree: Pick<Tree, 'options'>, { images }: Parquet): string | undefined {
  const title = columnsAsked(tree).get('path');
  return title === undefined ? images[0] : images.find((name) => name === title);
}

const KNOWN = new Set([...LABEL_COLUMNS, 'split', 'group']);

/** A table of the pictures in the file, which are in the rows themselves: all have the file's path. */
async function picturesOf(tree: Tree, parquet: Parquet): Promise<Table> {
  const names = new Map(columnsAsked(tree));
  names.delete('path');
  const titles = [...names.values()];
  const isUsed = (name: string) =>
    parquet.names.has(name) || KNOWN.has(columnName(name)) || titles.includes(name);
  const every = { path: parquet.file.path };
  const table = await tableOfColumns(parquet, parquet.scalars.filter(isUsed), every);
  const [label, ...more] = parquet.names.keys();
  const hasLabel = names.has('label') || table.columns.some((column) => LABEL_COLUMNS.includes(column));
  // If only one column has names of classes, it holds the classes, under any name.
  if (label !== undefined && more.length === 0 && !hasLabel) names.set('label', label);
  return names.size === 0 ? table : withRoles(table, names);
}

function pathsIn(tree: Tree, file: SourceFile) {
  return tree.table
    ? lookupNear(tree.root)
    : lookupInTree(tree, posix.join(posix.dirname(file.path), '/').replace(/^\.\//, ''));
}

/** A row group with more bytes is refused, because reading one picture reads its whole group. */
const LARGEST_GROUP = 2 ** 30;

/** Makes pictures by the numbers of their rows. A picture is read with its row group, and the last group is kept in memory. */
function picturesIn(parquet: Parquet, image: string) {
  const { file, groups } = parquet;
  const starts: number[] = [];
  let rows = 0;
  for (const group of groups) {
    starts.push(rows);
    rows += group.rows;
    const size = group.sizes.get(image)!;
    if (size > LARGEST_GROUP)
      throw damaged(
        file,
        `a row group has ${count(size, 'byte')} of pictures; write it in groups of some hundred rows`,
      );
  }
  let kept: { group: number; values: ReturnType<Parquet['pictures']> } | undefined;
  const valuesOf = (group: number) => {
    const start = starts[group]!;
    const [end, size] = [start + groups[group]!.rows, groups[group]!.sizes.get(image)!];
    if (kept?.group !== group)
      kept = { group, values: parquet.pictures({ column: image, start, end }, size) };
    return kept.values;
  };
  const read = async (row: number) => {
    const group = starts.findLastIndex((start) => start <= row);
    const bytes = (await valuesOf(group))[row - starts[group]!];
    if (bytes) return bytes;
    throw damaged(file, `row ${row} holds no picture`);
  };
  async function readExample(this: { id: string } | undefined): Promise<Uint8Array> {
    const row = Number(this?.id.slice(file.path.length + 1));
    if (row >= 0 && row < rows && this?.id === `${file.path}/${row}`) return read(row);
    throw detached();
  }
  const own = { readExample, within: file.absolute, tag: file.tag };
  // A template would keep each name as the objects of its parts, which take more memory.
  return (row: number): SourceFile => new RowFile([file.path, row].join('/'), own);
}

/** A picture in a row of a file. */
class RowFile implements SourceFile {
  readonly path: string;
  /** The facts that all rows of a file share. */
  readonly #common: Pick<RowFile, 'readExample' | 'within' | 'tag'>;

  constructor(path: string, common: Pick<RowFile, 'readExample' | 'within' | 'tag'>) {
    this.path = path;
    this.#common = common;
  }

  get readExample(): (this: { id: string }) => Promise<Uint8Array> {
    return this.#common.readExample;
  }

  get within(): string | undefined {
    return this.#common.within;
  }

  get tag(): string | undefined {
    return this.#common.tag;
  }

  read(): Promise<Uint8Array> {
    return this.readExample.call({ id: this.path });
  }
}

const lookupRows =
  (picture: (row: number) => SourceFile): Lookup =>
  async (rows) =>
    rows.map((_, row) => picture(row));

/** The split in the name of the file's folder or of the file: `default/train/0000.parquet`, `train-00000-of-00001.parquet`. */
function splitOf({ path }: SourceFile) {
  return splitNamed(posix.basename(posix.dirname(path))) ?? splitWithin(posix.parse(path).name);
}
