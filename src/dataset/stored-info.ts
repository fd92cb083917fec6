import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../errors.ts';
import { faultOf } from '../options.ts';
import { openStore } from '../store/open-store.ts';
import { readRegular, unlessMissing } from '../store/regular.ts';
import { isStoreAddress } from '../store/store-address.ts';
import { DTYPES, STORAGES, type Storage } from './stored-formats.ts';

/** The value of `format` in the info.json of a folder that `tip-adapter embed` wrote. */
const FORMAT = 'tip-adapter features';

/** The list of the files of a Parquet folder, in their order, one on each line. */
export const FILES_NAME = 'files.txt';
/** The pictures that could not be read. */
export const FAILURES_NAME = 'failures.csv';

const schema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(1),
  /** False while the run is not finished. All other facts are final. */
  finished: z.boolean(),
  /** Hash (hex) of all that decides the content. */
  run: z.string(),
  dataset: z.string(),
  /** The source of the pictures: a path or an address. */
  root: z.string(),
  /** The encoder's id. The name of this field is that of other programs' folders of features. */
  model: z.string(),
  /** The encoder's fingerprint and source. */
  fingerprint: z.string(),
  source: z.string(),
  dimension: z.number().int().min(1),
  dtype: z.enum(DTYPES),
  storage: z.enum(STORAGES),
  /** Whether pictures were rotated by their EXIF orientation. */
  exif: z.boolean(),
  /** Ids of the classes. */
  classes: z.array(z.string()),
  names: z.array(
    z.object({ id: z.string(), name: z.string(), promptName: z.string(), prompts: z.array(z.string()) }),
  ),
  order: z.array(z.number().int()).optional(),
  /** Numbers of all pictures and of those among them that could not be read. */
  pictures: z.number().int().min(0),
  failures: z.number().int().min(0),
  /** Files and folders that could not be read when the pictures were listed. */
  unreadable: z.array(
    z.object({
      path: z.string(),
      reason: z.string(),
      split: z.enum(['train', 'val', 'test']).optional(),
    }),
  ),
  /** Number of files, for `parquet`; numbers of rows of the tables, for the others. */
  shards: z.number().int().min(0),
  tables: z.record(z.string(), z.number().int().min(1)),
  /**
   * Sha256 (hex) of each of the other files. For an unfinished run, only those of the Parquet files that an earlier run left. Absent in folders
   * that older versions wrote.
   */
  sums: z.record(z.string(), z.string()).optional(),
  createdBy: z.string(),
});

/** The info.json of a folder that `tip-adapter embed` wrote. */
export type StoredInfo = Omit<z.infer<typeof schema>, 'format' | 'version'>;

/** The names of the files of a table. */
export function storedFiles(table: string, storage: Storage): string[] {
  const endings = storage === 'npy' ? ['.npy', '.labels.npy', '.csv'] : ['.safetensors', '.csv'];
  return endings.map((ending) => table + ending);
}

/** The text of an info.json. */
export function storedInfoText(info: StoredInfo): string {
  return `${JSON.stringify({ format: FORMAT, version: 1, ...info }, undefined, 2)}\n`;
}

/** The info.json in the bytes, finished or not. Undefined if they are another program's. Throws `DataError` `features/info` if it is damaged. */
export function parseStoredInfo(bytes: Uint8Array, path: string): StoredInfo | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
  if ((value as { format?: unknown } | null)?.format !== FORMAT) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DataError(`${path} does not describe features: ${faultOf(parsed.error)}`, {
    code: 'features/info',
    hint: 'Another version of tip-adapter may have written it. Run tip-adapter embed again, into another folder.',
    details: { path },
  });
}

/** The info.json of a folder or of an address in a store, if `tip-adapter embed` wrote it. */
export async function storedInfo(folder: string): Promise<StoredInfo | undefined> {
  if (isStoreAddress(folder)) {
    if (!folder.endsWith('/')) return undefined;
    const store = openStore(folder);
    const there = await store.find('info.json');
    return there && parseStoredInfo(await store.read('info.json'), `${store.address}/info.json`);
  }
  if (!(await stat(folder).catch(unlessMissing))?.isDirectory()) return undefined;
  const path = join(folder, 'info.json');
  const bytes = await readRegular(path, { area: 'features' }).catch(unlessMissing);
  return bytes && parseStoredInfo(bytes, path);
}
