import { parentPort } from 'node:worker_threads';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { openRegular } from '../store/regular.ts';
import { count } from '../words.ts';
import type { Answer, Description, Range, Request } from './parquet-thread.ts';

// Reads Parquet files on a thread of its own, because a damaged file can make the decoder run without an end or fill the memory.

interface Opened {
  bytes: AsyncBuffer;
  metadata: FileMetaData;
  /** Names of the values of `ClassLabel` columns. */
  names: Map<string, string[]>;
}

/** The file that was opened last. */
let last: { key: Request['key']; opened: Promise<Opened> } | undefined;

function opened({ key, source }: Request): Promise<Opened> {
  if (last?.key !== key) last = { key, opened: open(source) };
  return last.opened;
}

async function open(source: Request['source']): Promise<Opened> {
  const bytes = await bufferOf(source);
  const metadata = await parquetMetadataAsync(bytes);
  const names = parquetSchema(metadata).children.flatMap(({ element: { name } }) => {
    const known = featuresOf(metadata)[name]?.names;
    return Array.isArray(known) ? [[name, known.map(String)] as const] : [];
  });
  return { bytes, metadata, names: new Map(names) };
}

async function bufferOf(source: Request['source']): Promise<AsyncBuffer> {
  if (typeof source !== 'string') {
    const slice = (start: number, end?: number) => source.slice(start, end).buffer as ArrayBuffer;
    return { byteLength: source.length, slice };
  }
  const { file, stats } = await openRegular(source, { area: 'dataset' });
  await file.close();
  return {
    byteLength: stats.size,
    async slice(start, end = stats.size) {
      if (!(start >= 0 && end <= stats.size)) throw new Error('it refers to bytes after its end');
      const part = await openRegular(source, { area: 'dataset' });
      try {
        const bytes = new Uint8Array(Math.max(end - start, 0));
        const { bytesRead } = await part.file.read(bytes, 0, bytes.length, start);
        if (bytesRead < bytes.length) throw new Error('a part of it is missing');
        return bytes.buffer;
      } finally {
        await part.file.close();
      }
    },
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

function describe({ metadata, names }: Opened): Description {
  const { children } = parquetSchema(metadata);
  if (children.some(({ element }) => !element.name)) throw new Error('a column has no name');
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
  const nameOf = (column: (typeof children)[number]) => column.element.name;
  const groups = metadata.row_groups.map((group) => ({
    rows: Number(group.num_rows),
    sizes: new Map(images.map((image) => [nameOf(image), sizeIn(group, nameOf(image))])),
  }));
  const rows = Number(metadata.num_rows);
  if (rows > MOST_ROWS) throw new Error(`it has ${count(rows, 'row')}, and at most ${MOST_ROWS} are read`);
  if (groups.reduce((sum, group) => sum + group.rows, 0) !== rows || groups.some((group) => group.rows < 0))
    throw new Error(`its row groups together do not have ${count(rows, 'row')}`);
  return {
    rows,
    groups,
    columns: children.map(nameOf),
    images: images.map(nameOf),
    scalars: scalars.map(nameOf),
    names,
    metadata: new Map(metadata.key_value_metadata?.map(({ key, value }) => [key, value ?? ''])),
  };
}

/** Largest number of rows that is read. A damaged file can claim any number. */
const MOST_ROWS = 100_000_000;

/** The uncompressed size of a column in a row group, in bytes. */
function sizeIn({ columns }: FileMetaData['row_groups'][number], column: string): number {
  const own = columns.filter(({ meta_data: meta }) => meta?.path_in_schema[0] === column);
  return own.reduce((sum, { meta_data: meta }) => sum + Number(meta?.total_uncompressed_size ?? 0), 0);
}

/** The values of a column as texts. For a class it is the name. `datasets` writes -1 for no class. */
async function texts({ bytes, metadata, names }: Opened, { column, start, end }: Range): Promise<string[]> {
  const known = names.get(column);
  const values = new Array<unknown>(end - start).fill(undefined);
  await parquetRead({
    ...{ file: bytes, metadata, compressors, columns: [column], rowStart: start, rowEnd: end },
    onChunk({ columnData, rowStart }) {
      const first = Math.max(start - rowStart, 0);
      const beyond = Math.min(columnData.length, end - rowStart);
      for (let i = first; i < beyond; i++) values[rowStart + i - start] = columnData[i];
    },
  });
  return values.map((value) => textOf(column, value, known));
}

function textOf(column: string, value: unknown, names?: readonly string[]): string {
  if (value === null || value === undefined) return '';
  if (!names || typeof value === 'string') return String(value);
  if (Number(value) === -1) return '';
  const name = names[Number(value)];
  if (name !== undefined) return name;
  throw new Error(`"${column}" has the value ${value}, and its classes are 0 to ${names.length - 1}`);
}

/** The encoded pictures in a column. Undefined for a row without one. */
async function pictures(
  { bytes, metadata }: Opened,
  { column, start, end }: Range,
): Promise<(Uint8Array | undefined)[]> {
  const range = { columns: [column], rowStart: start, rowEnd: end };
  const rows = await parquetReadObjects({ file: bytes, metadata, compressors, utf8: false, ...range });
  return rows.map((row) => {
    const value = row[column];
    const own = value instanceof Uint8Array ? value : value?.bytes;
    return own instanceof Uint8Array ? own : undefined;
  });
}

/** The bytes of a column of FIXED_LEN_BYTE_ARRAY, or of the numbers of a column of lists, one row after the other. */
async function numbers({ bytes, metadata }: Opened, { column, start, end }: Range): Promise<Uint8Array> {
  const range = { columns: [column], rowStart: start, rowEnd: end };
  const rows = await parquetReadObjects({ file: bytes, metadata, compressors, utf8: false, ...range });
  const values = rows.map((row) => {
    const value = row[column];
    return Array.isArray(value) ? bytesOf(value, column) : value;
  });
  const width = values[0]?.length ?? 0;
  const out = new Uint8Array(values.length * width);
  for (const [i, value] of values.entries()) {
    if (!(value instanceof Uint8Array) || value.length !== width)
      throw new Error(`row ${start + i} of "${column}" does not have as many numbers as the others`);
    out.set(value, i * width);
  }
  return out;
}

/** The bytes of a list of numbers. A null would become 0. */
function bytesOf(list: readonly unknown[], column: string): Uint8Array {
  if (list.findIndex((value) => typeof value !== 'number') >= 0)
    throw new Error(`a list of "${column}" holds something that is not a number`);
  return new Uint8Array(Float32Array.from(list as number[]).buffer);
}

async function answer(request: Request): Promise<Answer> {
  const [file, { ask }] = [await opened(request), request];
  if (ask === 'description') return describe(file);
  if (ask.of === 'numbers') return [await numbers(file, ask)];
  return ask.of === 'texts' ? texts(file, ask) : pictures(file, ask);
}

parentPort!.on('message', async (request: Request) => {
  try {
    const value = await answer(request);
    const held = Array.isArray(value)
      ? value.flatMap((one) => (typeof one === 'object' ? one.buffer : []))
      : [];
    parentPort!.postMessage({ value }, [...new Set(held)] as ArrayBuffer[]);
  } catch (error) {
    parentPort!.postMessage({ error: (error as Error).message });
  }
});
