import type { Unreadable } from '../dataset/types.ts';
import { csvRecord } from '../report/table.ts';
import type { FinishedShard } from './shard-work.ts';

/**
 * The CSV file of the pictures that could not be read, with the place of each among all pictures, and of the files and folders that could
 * not be listed, which have no place.
 */
export function failuresCsv(shards: readonly FinishedShard[], unlisted: readonly Unreadable[]): string {
  const failed = shards.flatMap(({ start, failures }) =>
    failures.map(({ at, id, class: name = '', split = '', group = '', code, message }) =>
      csvRecord([String(start + at), id, name, split, group, code, message]),
    ),
  );
  const absent = unlisted.map(({ path, reason, split = '' }) =>
    csvRecord(['', path, '', split, '', 'dataset/unlisted', reason]),
  );
  const header = csvRecord(['index', 'id', 'class', 'split', 'group', 'code', 'message']);
  return [header, ...failed, ...absent].join('');
}
