import { DataError } from '../errors.ts';
import { type Answer, type Description, parquetThread, type Range, type Request } from './parquet-thread.ts';
import { checkColumns, columnName, type Row, type Table } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** An open Parquet file. */
export interface Parquet extends Description {
  file: SourceFile;
  /** The values of a column as texts. */
  texts(range: Range): Promise<string[]>;
  /** The encoded pictures of a column; undefined for a row without one. */
  pictures(range: Range, bytes: number): Promise<(Uint8Array | undefined)[]>;
  /** The bytes of a column of FIXED_LEN_BYTE_ARRAY, or of the float32 numbers of a column of lists of one length, without gaps. */
  numbers(range: Range): Promise<Uint8Array>;
}

/** Number of files that were opened. */
let files = 0;

/** Opens a Parquet file. Throws `DataError` `dataset/parquet` if it is damaged. */
export async function openParquet(file: SourceFile, thread = parquetThread()): Promise<Parquet> {
  const key = ++files;
  const source = file.absolute ?? shared(await file.read());
  const ask = async <T extends Answer>(question: Request['ask'], bytes?: number): Promise<T> => {
    try {
      return (await thread.ask({ key, source, ask: question }, bytes)) as T;
    } catch (error) {
      throw damaged(file, (error as Error).message, error);
    }
  };
  const description = await ask<Description>('description');
  checkColumns(file.path, description.columns.length);
  return {
    ...description,
    file,
    texts: (range) => ask({ of: 'texts', ...range }),
    pictures: (range, bytes) => ask({ of: 'pictures', ...range }, bytes),
    numbers: async (range) => (await ask<Uint8Array[]>({ of: 'numbers', ...range }))[0]!,
  };
}

/** The same bytes in memory that all threads share. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** Smallest number of rows that are read together, unless the file has fewer. */
const TOGETHER = 2 ** 14;

/** Largest number of different rows that are kept once. Rows of classes repeat, and rows of paths do not. */
const MOST_KEPT = 2 ** 17;

/**
 * A table of some columns of a file, under their names in the file, and the values of `every`, which all rows share. Equal rows are one
 * object, because there may be a million of them.
 */
export async function tableOfColumns(
  parquet: Parquet,
  columns: readonly string[],
  every: Row = {},
): Promise<Table> {
  const written = new Map(columns.map((column) => [columnName(column), column]));
  const Own = rowClass([...written.keys(), ...Object.keys(every)]);
  const kept = new Map<string, Row>();
  const rows: Row[] = [];
  for (const { start, end } of stretches(parquet)) {
    const values: string[][] = [];
    for (const column of columns) values.push(await parquet.texts({ column, start, end }));
    for (let i = 0; i < end - start; i++) {
      const own = values.map((texts) => texts[i]!);
      const key = own.length === 1 ? own[0]! : JSON.stringify(own);
      const row = kept.get(key) ?? new Own([...own, ...Object.values(every)]);
      if (kept.size < MOST_KEPT) kept.set(key, row);
      rows.push(row);
    }
  }
  const all = [...new Set([...written.keys(), ...Object.keys(every)])];
  return { name: parquet.file.path, columns: all, written, rows };
}

/** The class of rows with these columns. Its objects take less memory than objects that get their columns one by one. */
function rowClass(columns: readonly string[]): new (values: readonly string[]) => Row {
  return class {
    [column: string]: string;

    constructor(values: readonly string[]) {
      for (const [i, column] of columns.entries()) this[column] = values[i]!;
    }
  };
}

/** Stretches of whole row groups. */
function* stretches({ groups }: Description): Generator<{ start: number; end: number }> {
  let start = 0;
  let end = 0;
  for (const { rows } of groups) {
    end += rows;
    if (end - start < TOGETHER) continue;
    yield { start, end };
    start = end;
  }
  if (end > start) yield { start, end };
}

export function damaged({ path }: SourceFile, why: string, cause?: unknown): DataError {
  return new DataError(`${path} cannot be read as Parquet: ${why}`, {
    code: 'dataset/parquet',
    hint: 'Download or write it again, or write its pictures as files, in a folder for each class.',
    details: { path },
    cause,
  });
}
