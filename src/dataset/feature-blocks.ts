import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { readRegularText } from '../store/regular.ts';
import { readInfo } from './feature-dump.ts';
import { openArrayTable } from './feature-table.ts';
import { openParquetFeatures } from './parquet-features.ts';
import type { FeatureStream } from './row-blocks.ts';
import { splitNamed } from './splits.ts';
import { unfinished } from './stored-features.ts';
import { FILES_NAME, type StoredInfo, storedInfo } from './stored-info.ts';

/**
 * Opens the examples of a folder of features: `train.npy` or `train.safetensors`, or all Parquet files whose name or column `split` does
 * not name another split. Throws `DataError` `dump/…` if there are none.
 */
export async function openFeatureBlocks(folder: string): Promise<FeatureStream> {
  const { classes, files } = await readInfo(folder);
  const stored = await storedInfo(folder);
  if (stored) return openParquetFeatures(folder, await storedFiles(folder, stored), classes);
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
  throw new DataError(`${folder} has no examples that can be read in blocks`, {
    code: 'dump/no-support',
    hint: 'The folder needs train.npy with train.labels.npy, train.safetensors, or Parquet files with the columns features and label.',
  });
}

/** The Parquet files of a finished run of `tip-adapter embed`. Throws `DataError` for an unfinished run and other kinds of files. */
async function storedFiles(folder: string, { finished, storage }: StoredInfo): Promise<string[]> {
  if (!finished) throw unfinished(folder);
  if (storage.startsWith('parquet')) {
    const list = await readRegularText(join(folder, FILES_NAME), { area: 'features' });
    return list.split('\n').filter(Boolean);
  }
  throw new DataError(`${folder} holds features as ${storage}, which are read as a whole`, {
    code: 'features/storage',
    hint: 'Run tip-adapter embed again with --format parquet, into another folder. Encoded pictures are in the cache.',
    details: { folder, storage },
  });
}

function isTrainTable(name: string): boolean {
  const [, table] = /^([^/]+)\.(?:npy|safetensors)$/.exec(name) ?? [];
  return table !== undefined && !table.endsWith('.labels') && splitNamed(table) === 'train';
}
