import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../abort.ts';
import { DataError } from '../errors.ts';
import { count } from '../words.ts';
import { diskFile } from './disk-file.ts';
import { readInfo } from './feature-dump.ts';
import { openArrayTable } from './feature-table.ts';
import { openParquetFeatures, openStoredParquet } from './parquet-features.ts';
import type { FeaturePart, FeatureStream } from './row-blocks.ts';
import { splitNamed } from './splits.ts';
import { checkStoredLabels, damagedFeatures, storedPlaces, unfinished } from './stored-features.ts';
import { type StoredInfo, storedFiles, storedInfo } from './stored-info.ts';
import { verified } from './stored-sums.ts';

/**
 * Opens the examples of a folder of features: `train.npy` or `train.safetensors`, or all Parquet files whose name or column `split` does
 * not name another split. In a store, only Parquet files of `tip-adapter embed` are read. Throws `DataError` `dump/…` if there are none.
 */
export async function openFeatureBlocks(folder: string, work: Abortable = {}): Promise<FeatureStream> {
  const { classes, files } = await readInfo(folder);
  const stored = await storedInfo(folder);
  if (stored) return openStored(folder, stored, classes, work);
  const names = (await readdir(folder, { recursive: true })).map((name) => name.replaceAll('\\', '/')).sort();
  const parquet = names.filter((name) => name.endsWith('.parquet'));
  const tables = names.filter((name) => isTrainTable(name));
  if (parquet.length > 0 && tables.length === 0) return openParquetFeatures(folder, parquet, classes);
  const [table, another] = tables;
  if (table !== undefined && another === undefined) {
    return openArrayTable(join(folder, table), files[table]?.labels, classes);
  }
  if (table !== undefined) {
    throw new DataError(`${folder} has two tables of the split train: ${table} and ${another}`, {
      code: 'dump/two-tables',
      hint: 'Remove or rename one of them.',
    });
  }
  throw noExamples(folder);
}

/** The examples of a finished run of `tip-adapter embed`. Throws `DataError` for an unfinished run, and if no row is an example. */
async function openStored(
  folder: string,
  stored: StoredInfo,
  classes: readonly string[],
  work: Abortable,
): Promise<FeatureStream> {
  const { finished, storage, tables, sums = {} } = stored;
  if (!finished) throw unfinished(folder);
  if (storage.startsWith('parquet')) {
    if (stored.shards === 0) throw noExamples(folder);
    return openStoredParquet(folder, stored, work);
  }
  if (tables.train === undefined) throw noExamples(folder);
  const files = storedFiles('train', storage);
  for (const file of files) await verified(diskFile(file, join(folder, file)), sums, work);
  const stream = await openArrayTable(join(folder, `train.${storage}`), undefined, classes);
  // Files that are as they were written have the same labels, and a long CSV file takes memory.
  if (stream.rows === tables.train && files.every((file) => sums[file] !== undefined)) return stream;
  const places = await storedPlaces(folder, 'train', classes);
  if (stream.rows === tables.train && places.length === tables.train)
    return { ...stream, parts: stream.parts.map((part) => withPlaces(part, places, classes)) };
  throw damagedFeatures(
    folder,
    `the table train has ${count(stream.rows, 'row')}, train.csv ${places.length}, and info.json says ${tables.train}`,
  );
}

/** The part of the table train, whose labels are compared with the classes of its CSV file. */
function withPlaces(part: FeaturePart, places: Int32Array, classes: readonly string[]): FeaturePart {
  return {
    ...part,
    async *blocks(reading) {
      for await (const block of part.blocks(reading)) {
        checkStoredLabels(block.labels, places, { name: 'train', classes, first: block.first });
        yield block;
      }
    },
  };
}

function noExamples(folder: string): DataError {
  return new DataError(`${folder} has no examples that can be read in blocks`, {
    code: 'dump/no-support',
    hint: 'The folder needs train.npy with train.labels.npy, train.safetensors, or Parquet files with the columns features and label.',
  });
}

function isTrainTable(name: string): boolean {
  const [, table] = /^([^/]+)\.(?:npy|safetensors)$/.exec(name) ?? [];
  return table !== undefined && !table.endsWith('.labels') && splitNamed(table) === 'train';
}
