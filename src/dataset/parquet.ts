import { posix } from 'node:path';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { DataError, throwIfAborted } from '../errors.ts';
import { openRegular } from '../store/regular.ts';
import { count } from '../words.ts';
import { columnsOf, missingColumn } from './columns.ts';
import type { Layout } from './dataset-layout.ts';
import { LABEL_COLUMNS } from './label-columns.ts';
import { type PictureTable, readListed } from './listed.ts';
import { lookupInTree, lookupNear } from './lookup.ts';
import { splitNamed, splitWithin } from './splits.ts';
import { type Row, type Table, tableOf } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';

/** The Hub's Parquet files (a column of pictures, and names of the classes in the schema's metadata), or tables of paths and labels. */
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
      const table = parquet.image === undefined ? await listOf(parquet) : await picturesOf(parquet);
      if (!columnsOf(table)) throw missingColumn(table);
      const paths = parquet.image === undefined ? pathsIn(tree, file) : picturesIn(parquet);
      tables.push({ table, lookup: paths, split: splitOf(file) });
    }
    return {
      ...(await readListed(tables, signal)),
      layout: count(files.length, 'Parquet file'),
      isListed: true,
      files,
    };
  },
};

interface Parquet {
  file: SourceFile;
  bytes: AsyncBuffer;
  metadata: FileMetaData;
  /** The column that holds the encoded pictures. */
  image?: string;
  /** Columns of one value a row that are not pictures. */
  scalars: string[];
  /** Names of the values of `ClassLabel` columns. */
  names: ReadonlyMap<string, readonly string[]>;
}

/** Only data sets in Parquet need the reader. */
const reader = async () => {
  const [hyparquet, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  return { ...hyparquet, compressors };
};

async function openParquet(file: SourceFile): Promise<Parquet> {
  const { parquetMetadataAsync, parquetSchema } = await reader();
  const bytes = await bufferOf(file);
  const metadata = await readable(file, () => parquetMetadataAsync(bytes));
  const { children } = parquetSchema(metadata);
  const holdsBytes = ({ element }: (typeof children)[number]) =>
    element.type === 'BYTE_ARRAY' &&
    element.converted_type !== 'UTF8' &&
    element.logical_type?.type !== 'STRING';
  const image = children.find((column) =>
    column.children.length > 0
      ? column.children.some((inner) => inner.element.name === 'bytes' && holdsBytes(inner))
      : holdsBytes(column) && column.element.repetition_type !== 'REPEATED',
  );
  const scalars = children.filter(
    (column) => column !== image && column.children.length === 0 && !holdsBytes(column),
  );
  const namesOf = children.flatMap(({ element: { name } }) => {
    const names = featuresOf(metadata)[name]?.names;
    return Array.isArray(names) ? [[name, names.map(String)] as const] : [];
  });
  return {
    file,
    bytes,
    metadata,
    image: image?.element.name,
    scalars: scalars.map((column) => column.element.name),
    names: new Map(namesOf),
  };
}

/** What `datasets` writes about the columns. */
function featuresOf({ key_value_metadata: pairs }: FileMetaData): Record<string, { names?: unknown }> {
  const text = pairs?.find(({ key }) => key === 'huggingface')?.value;
  try {
    return JSON.parse(text ?? '{}').info?.features ?? {};
  } catch {
    return {};
  }
}

/** A table of paths and labels. */
async function listOf(parquet: Parquet): Promise<Table> {
  return tableOf(parquet.file.path, await rowsOf(parquet, parquet.scalars));
}

/** A table of the pictures in the file, by the numbers of their rows. */
async function picturesOf(parquet: Parquet): Promise<Table> {
  const known = parquet.scalars.filter((name) => parquet.names.has(name) || KNOWN.has(name.toLowerCase()));
  const rows = await rowsOf(parquet, known);
  const own = known.filter((name) => LABEL_COLUMNS.includes(name.toLowerCase()));
  const [label] = own.length === 0 ? [...parquet.names.keys()] : [];
  // A single column with names of classes holds the classes, whatever it is called.
  const renamed = parquet.names.size === 1 && label !== undefined;
  return tableOf(
    parquet.file.path,
    rows.map((row, i) => ({
      ...row,
      ...(renamed && { label: row[label.toLowerCase()] ?? '' }),
      path: String(i),
    })),
  );
}

const KNOWN = new Set([...LABEL_COLUMNS, 'split', 'group']);

async function rowsOf({ file, bytes, metadata, names }: Parquet, columns: string[]): Promise<Row[]> {
  if (columns.length === 0) return Array.from({ length: Number(metadata.num_rows) }, () => ({}));
  const { parquetReadObjects, compressors } = await reader();
  const rows = await readable(file, () =>
    parquetReadObjects({ file: bytes, metadata, columns, compressors }),
  );
  return rows.map((row) =>
    Object.fromEntries(
      columns.map((column) => [column.toLowerCase(), textOf(file, column, row[column], names.get(column))]),
    ),
  );
}

/** A value as text; of a class its name. -1 is no class, as `datasets` writes it. */
function textOf(file: SourceFile, column: string, value: unknown, names?: readonly string[]): string {
  if (value === null || value === undefined) return '';
  if (!names || typeof value === 'string') return String(value);
  if (Number(value) === -1) return '';
  const name = names[Number(value)];
  if (name !== undefined) return name;
  throw damaged(file, `"${column}" has the value ${value}, and its classes are 0 to ${names.length - 1}`);
}

function pathsIn(tree: Tree, file: SourceFile) {
  return tree.table
    ? lookupNear(tree.root)
    : lookupInTree(tree, posix.join(posix.dirname(file.path), '/').replace(/^\.\//, ''));
}

/** A row group with more bytes is not read, because a picture costs the reading of its whole group. */
const LARGEST_GROUP = 2 ** 30;

/** Finds pictures by the numbers of their rows. They are read with their row group, of which the last one is kept. */
function picturesIn({ file, bytes, metadata, image }: Parquet) {
  const starts: number[] = [];
  let rows = 0;
  for (const group of metadata.row_groups) {
    starts.push(rows);
    rows += Number(group.num_rows);
    const chunk = group.columns.filter(({ meta_data: meta }) => meta?.path_in_schema[0] === image);
    const size = chunk.reduce(
      (sum, { meta_data: meta }) => sum + Number(meta?.total_uncompressed_size ?? 0),
      0,
    );
    if (size > LARGEST_GROUP)
      throw damaged(
        file,
        `a row group has ${count(size, 'byte')} of pictures; write it in groups of some hundred rows`,
      );
  }
  let kept: { group: number; values: Promise<unknown[]> } | undefined;
  const valuesOf = (group: number) => {
    if (kept?.group !== group)
      kept = { group, values: columnOfGroup(starts[group]!, starts[group + 1] ?? rows) };
    return kept.values;
  };
  const columnOfGroup = async (rowStart: number, rowEnd: number) => {
    const { parquetReadObjects, compressors } = await reader();
    const columns = [image!];
    const read = () =>
      parquetReadObjects({ file: bytes, metadata, columns, rowStart, rowEnd, compressors, utf8: false });
    return (await readable(file, read)).map((row) => row[image!]);
  };
  const picture = (row: number): SourceFile => ({
    path: `${file.path}/${row}`,
    async read() {
      const group = starts.findLastIndex((start) => start <= row);
      const value = (await valuesOf(group))[row - starts[group]!] as { bytes?: unknown } | null;
      const own = value instanceof Uint8Array ? value : value?.bytes;
      if (own instanceof Uint8Array) return own;
      throw damaged(file, `row ${row} holds no picture`);
    },
  });
  return async (paths: readonly string[]) => paths.map((path) => picture(Number(path)));
}

/** The split that the file's name or its folder's gives: `train-00000-of-00001.parquet`, `default/train/0000.parquet`. */
function splitOf({ path }: SourceFile) {
  return splitWithin(posix.parse(path).name) ?? splitNamed(posix.basename(posix.dirname(path)));
}

async function bufferOf({ absolute, read }: SourceFile): Promise<AsyncBuffer> {
  if (absolute === undefined) {
    const bytes = await read();
    return { byteLength: bytes.length, slice: (start, end) => bytes.slice(start, end).buffer as ArrayBuffer };
  }
  const { file, stats } = await openRegular(absolute, { area: 'dataset' });
  await file.close();
  return {
    byteLength: stats.size,
    async slice(start, end = stats.size) {
      const opened = await openRegular(absolute, { area: 'dataset' });
      try {
        const bytes = new Uint8Array(Math.max(end - start, 0));
        const { bytesRead } = await opened.file.read(bytes, 0, bytes.length, start);
        if (bytesRead < bytes.length) throw new Error('a part of it is missing');
        return bytes.buffer;
      } finally {
        await opened.file.close();
      }
    },
  };
}

async function readable<T>(file: SourceFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw damaged(file, (error as Error).message, error);
  }
}

function damaged({ path }: SourceFile, why: string, cause?: unknown): DataError {
  return new DataError(`${path} cannot be read as Parquet: ${why}`, {
    code: 'dataset/parquet',
    hint: 'Download or write it again, or write its pictures as files, in a folder for each class.',
    details: { path },
    cause,
  });
}
