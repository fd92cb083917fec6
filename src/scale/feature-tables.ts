import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../abort.ts';
import { type FeatureRow, readFeatureFile } from '../dataset/feature-file.ts';
import { numbersOf } from '../dataset/parquet-writer.ts';
import type { FeatureType } from '../dataset/stored-formats.ts';
import { type StoredInfo, storedFiles } from '../dataset/stored-info.ts';
import { type Matrix, selectRows } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { csvRecord } from '../report/table.ts';
import { createSha256, type Sha256 } from '../sha256.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { npyHeader } from '../store/npy.ts';
import { layOut } from '../store/safetensors-header.ts';
import type { FinishedShard } from './shard-work.ts';

/** The tables of features: one for each split, for labelled pictures without a split beside a train split, and for unlabelled ones. */
const TABLES = ['train', 'val', 'test', 'rest', 'unlabelled'] as const;
type TableName = (typeof TABLES)[number];

/** How tables are stored. */
interface TableOptions extends Abortable {
  readonly storage: 'npy' | 'safetensors';
  readonly dtype: FeatureType;
  readonly dimension: number;
  /** Ids of the classes: a label is a place in this list, -1 for an unlabelled picture. */
  readonly classes: readonly string[];
}

/** Rows of one table in one shard. */
interface Part {
  readonly features: Matrix;
  readonly rows: readonly FeatureRow[];
  /** Place of each row among all pictures of the run, with the unreadable ones. */
  readonly index: readonly number[];
}

/**
 * Writes the features of finished shards into a folder: for each table its numbers, its labels, and a CSV file that says of each row which
 * picture it is. One shard is in memory at a time. Returns the number of rows of each table, and the sha256 (hex) of each file. Tables of an
 * earlier run are removed.
 */
export async function writeTables(
  folder: string,
  shards: readonly FinishedShard[],
  options: TableOptions,
): Promise<Required<Pick<StoredInfo, 'tables' | 'sums'>>> {
  const sums: Record<string, string> = {};
  const counts = new Map<TableName, number>();
  const hasTrain = await anyOf(shards, ({ split }) => split === 'train');
  for await (const { rows } of filesOf(shards))
    for (const row of rows) {
      const name = tableOf(row, hasTrain);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  for (const name of TABLES) {
    const rows = counts.get(name) ?? 0;
    const parts = () => partsOf(shards, (row) => tableOf(row, hasTrain) === name);
    const wanted = rows === 0 ? new Map<string, never>() : contents(name, rows, parts, options);
    for (const [file, content] of wanted) {
      const hash = createSha256();
      await writeFileAtomic(join(folder, file), hashed(content, hash), options);
      sums[file] = hash.digest('hex');
    }
    for (const file of new Set([...storedFiles(name, 'npy'), ...storedFiles(name, 'safetensors')]))
      if (!wanted.has(file)) await rm(join(folder, file), { force: true });
  }
  const tables = TABLES.flatMap((name) => (counts.has(name) ? [[name, counts.get(name)!]] : []));
  return { tables: Object.fromEntries(tables), sums };
}

async function* hashed(content: AsyncIterable<Uint8Array>, hash: Sha256): AsyncGenerator<Uint8Array> {
  for await (const piece of content) {
    hash.update(piece);
    yield piece;
  }
}

function tableOf({ class: name, split }: FeatureRow, hasTrain: boolean): TableName {
  if (name === undefined) return 'unlabelled';
  return split ?? (hasTrain ? 'rest' : 'train');
}

async function anyOf(shards: readonly FinishedShard[], is: (row: FeatureRow) => boolean): Promise<boolean> {
  for await (const { rows } of filesOf(shards)) if (rows.some(is)) return true;
  return false;
}

async function* filesOf(shards: readonly FinishedShard[]) {
  for (const shard of shards) {
    const { rows, features } = await readFeatureFile(shard.file);
    yield { shard, rows, features };
  }
}

async function* partsOf(
  shards: readonly FinishedShard[],
  isIn: (row: FeatureRow) => boolean,
): AsyncGenerator<Part> {
  for await (const { shard, rows, features } of filesOf(shards)) {
    const failed = new Set(shard.failures.map(({ at }) => at));
    const places = Array.from({ length: shard.pictures }, (_, at) => at).filter((at) => !failed.has(at));
    const own = [...rows.keys()].filter((i) => isIn(rows[i]!));
    yield {
      features: selectRows(features, own),
      rows: own.map((i) => rows[i]!),
      index: own.map((i) => shard.start + places[i]!),
    };
  }
}

/** The files of a table by their names. */
function contents(
  name: TableName,
  rows: number,
  parts: () => AsyncGenerator<Part>,
  { storage, dtype, dimension, classes }: TableOptions,
): Map<string, AsyncGenerator<Uint8Array>> {
  const labelOf = new Map(classes.map((id, i) => [id, i]));
  async function* features() {
    for await (const part of parts()) yield bytesOf(numbersOf(part.features, dtype));
  }
  async function* labels() {
    for await (const part of parts())
      yield bytesOf(
        Int32Array.from(part.rows, (row) => (row.class === undefined ? -1 : labelOf.get(row.class)!)),
      );
  }
  const csv: [string, AsyncGenerator<Uint8Array>] = [`${name}.csv`, records(parts())];
  if (storage === 'npy')
    return new Map([
      [`${name}.npy`, after([npyHeader(dtype, [rows, dimension])], features())],
      [`${name}.labels.npy`, after([npyHeader('int32', [rows])], labels())],
      csv,
    ]);
  const shaped = { features: shape(dtype, [rows, dimension]), labels: shape('int32', [rows]) };
  const { header, order } = layOut(Object.entries(shaped), {});
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  const pieces = order.map(([tensor]) => (tensor === 'labels' ? labels() : features()));
  return new Map([[`${name}.safetensors`, after([length, header], ...pieces)], csv]);
}

/** Type and shape of a tensor whose numbers are written one part after the other. */
function shape(dtype: FeatureType | 'int32', dims: readonly number[]): Tensor {
  const byteLength = dims.reduce((product, n) => product * n, dtype === 'float16' ? 2 : 4);
  return { dtype, shape: dims, data: { byteLength } as Float32Array };
}

async function* after(first: Iterable<Uint8Array>, ...rest: AsyncIterable<Uint8Array>[]) {
  yield* first;
  for (const pieces of rest) yield* pieces;
}

async function* records(parts: AsyncGenerator<Part>): AsyncGenerator<Uint8Array> {
  yield Buffer.from(csvRecord(['index', 'id', 'class', 'split', 'group', 'sha256']));
  for await (const { rows, index } of parts)
    yield Buffer.from(
      rows
        .map(({ id, class: name = '', split = '', group = '', sha256 }, i) =>
          csvRecord([String(index[i]), id, name, split, group, sha256]),
        )
        .join(''),
    );
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
