import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { DataError } from '../errors.ts';
import { openRegular } from '../store/regular.ts';
import { columnName, type Row, type Table } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** An open Parquet file. */
export interface Parquet {
  file: SourceFile;
  bytes: AsyncBuffer;
  metadata: FileMetaData;
  /** All columns. */
  columns: string[];
  /** The columns that hold encoded pictures. */
  images: string[];
  /** Columns with one value in each row that are not pictures. */
  scalars: string[];
  /** Names of the values of `ClassLabel` columns. */
  names: ReadonlyMap<string, readonly string[]>;
}

/** Loaded only for data sets in Parquet. */
export const parquetReader = async () => {
  const [hyparquet, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  return { ...hyparquet, compressors };
};

/** Reads the columns of a Parquet file. Throws `DataError` `dataset/parquet` if it is damaged. */
export async function openParquet(file: SourceFile): Promise<Parquet> {
  const { parquetMetadataAsync, parquetSchema } = await parquetReader();
  const bytes = await bufferOf(file);
  const metadata = await readable(file, () => parquetMetadataAsync(bytes));
  const { children } = parquetSchema(metadata);
  const holdsBytes = ({ element }: (typeof children)[number]) =>
    element.type === 'BYTE_ARRAY' &&
    element.converted_type !== 'UTF8' &&
    element.logical_type?.type !== 'STRING';
  const images = children.filter((column) =>
    column.children.length > 0
      ? column.children.some((inner) => inner.element.name === 'bytes' && holdsBytes(inner))
      : holdsBytes(column) && column.element.repetition_type !== 'REPEATED',
  );
  const scalars = children.filter(
    (column) => !images.includes(column) && column.children.length === 0 && !holdsBytes(column),
  );
  const namesOf = children.flatMap(({ element: { name } }) => {
    const names = featuresOf(metadata)[name]?.names;
    return Array.isArray(names) ? [[name, names.map(String)] as const] : [];
  });
  return {
    file,
    bytes,
    metadata,
    columns: children.map((column) => column.element.name),
    images: images.map((column) => column.element.name),
    scalars: scalars.map((column) => column.element.name),
    names: new Map(namesOf),
  };
}

/** The description of the columns by the library `datasets`. */
function featuresOf({ key_value_metadata: pairs }: FileMetaData): Record<string, { names?: unknown }> {
  const text = pairs?.find(({ key }) => key === 'huggingface')?.value;
  try {
    return JSON.parse(text ?? '{}').info?.features ?? {};
  } catch {
    return {};
  }
}

/** A table of some columns of a file, under their names in the file. */
export async function tableOfColumns(parquet: Parquet, columns: readonly string[]): Promise<Table> {
  const written = new Map(columns.map((column) => [columnName(column), column]));
  return {
    name: parquet.file.path,
    columns: [...written.keys()],
    written,
    rows: await rowsOf(parquet, columns),
  };
}

async function rowsOf({ file, bytes, metadata, names }: Parquet, columns: readonly string[]): Promise<Row[]> {
  if (columns.length === 0) return Array.from({ length: Number(metadata.num_rows) }, () => ({}));
  const { parquetReadObjects, compressors } = await parquetReader();
  const rows = await readable(file, () =>
    parquetReadObjects({ file: bytes, metadata, columns: [...columns], compressors }),
  );
  return rows.map((row) =>
    Object.fromEntries(
      columns.map((column) => [columnName(column), textOf(file, column, row[column], names.get(column))]),
    ),
  );
}

/** A value as text. For a class it is the name. `datasets` writes -1 for no class. */
function textOf(file: SourceFile, column: string, value: unknown, names?: readonly string[]): string {
  if (value === null || value === undefined) return '';
  if (!names || typeof value === 'string') return String(value);
  if (Number(value) === -1) return '';
  const name = names[Number(value)];
  if (name !== undefined) return name;
  throw damaged(file, `"${column}" has the value ${value}, and its classes are 0 to ${names.length - 1}`);
}

async function bufferOf(source: SourceFile): Promise<AsyncBuffer> {
  const { absolute } = source;
  if (absolute === undefined) {
    const bytes = await source.read();
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

/** Runs `work`, which reads the file. Its errors become `DataError` `dataset/parquet`. */
export async function readable<T>(file: SourceFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw damaged(file, (error as Error).message, error);
  }
}

export function damaged({ path }: SourceFile, why: string, cause?: unknown): DataError {
  return new DataError(`${path} cannot be read as Parquet: ${why}`, {
    code: 'dataset/parquet',
    hint: 'Download or write it again, or write its pictures as files, in a folder for each class.',
    details: { path },
    cause,
  });
}
