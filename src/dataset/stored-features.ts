import { join, resolve } from 'node:path';

import type { Abortable } from '../abort.ts';
import type { StoredFeature } from '../encoder/types.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { row } from '../math/matrix.ts';
import { sha256 } from '../sha256.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { openStore } from '../store/open-store.ts';
import { PICTURE, readRegular } from '../store/regular.ts';
import { isStoreAddress } from '../store/store-address.ts';
import { count } from '../words.ts';
import { readClassTable } from './class-table.ts';
import { describeClasses } from './classes.ts';
import { diskFile } from './disk-file.ts';
import { openTables } from './dump-tables.ts';
import { type FailedRow, type FeatureRow, placeOf, readFeatureFile } from './feature-file.ts';
import { info } from './findings.ts';
import { countsText, overviewOf } from './overview.ts';
import { FAILURES_NAME, FILES_NAME, type StoredInfo } from './stored-info.ts';
import { checkSum, STORED, type Sums, verified } from './stored-sums.ts';
import { parseTable } from './text-files.ts';
import type { SourceFile } from './tree.ts';
import type { ClassInfo, Dataset, Example, Finding } from './types.ts';

/** A picture with its place among all pictures, and with its features or the reason why it has none. */
type Placed = { readonly at: number } & (
  | { readonly row: FeatureRow; readonly values: Float32Array }
  | { readonly failed: Omit<FailedRow, 'at'> }
);

/**
 * The data set whose features `tip-adapter embed` stored in a folder. Its examples are those of the pictures' data set, in the same order,
 * and carry their features; pictures that could not be read are among them, and reading them throws the stored reason. Classifiers and
 * figures are therefore the same as from the pictures. Throws `DataError` `features/…` if the run is not finished or files are missing or
 * damaged.
 */
export async function readStoredFeatures(
  folder: string,
  stored: StoredInfo,
  { classes: names, signal }: { classes?: string; signal?: AbortSignal } = {},
): Promise<Dataset> {
  if (!stored.finished) throw unfinished(folder);
  const isParquet = stored.storage.startsWith('parquet');
  const placed = await (isParquet ? inFiles(folder, stored, signal) : inTables(folder, stored, signal));
  placed.sort((a, b) => a.at - b.at);
  if (placed.length !== stored.pictures || placed.some(({ at }, i) => at !== i))
    throw incomplete(folder, placed.length, stored.pictures);
  const { classes, findings } = await namesOf(stored, names);
  const indexOf = new Map(classes.map(({ id }, i) => [id, i]));
  const examples = placed.map((one) => exampleOf(folder, stored, one, indexOf));
  const found = `${countsText(overviewOf({ classes, examples }))}, read from features of ${stored.model}.`;
  return {
    name: stored.dataset,
    root: isStoreAddress(folder) ? folder : resolve(folder),
    layout: `features of ${stored.model}`,
    encoder: stored.model,
    classes,
    ...(stored.order && { order: stored.order }),
    examples,
    ...(stored.unreadable.length > 0 && { unreadable: stored.unreadable }),
    findings: [info('found', found), ...findings],
  };
}

/** The classes with the names that they had, or that the table at a path gives them. */
async function namesOf(
  { names }: StoredInfo,
  path?: string,
): Promise<{ classes: ClassInfo[]; findings: Finding[] }> {
  if (path === undefined) return { classes: names, findings: [] };
  const ids = names.map(({ id }) => id);
  const { classes, findings } = describeClasses(ids, await readClassTable(diskFile(path, path), ids));
  const renamed = new Map(classes.map((one) => [one.id, one]));
  return { classes: names.map((one) => renamed.get(one.id) ?? one), findings };
}

function exampleOf(
  folder: string,
  stored: StoredInfo,
  placed: Placed,
  indexOf: ReadonlyMap<string, number>,
): Example {
  const { id, class: name, split, group } = 'row' in placed ? placed.row : placed.failed;
  const label = labelOf(folder, { id, class: name }, indexOf);
  const place = { ...(split && { split }), ...(group !== undefined && { group }) };
  if ('failed' in placed) {
    const { code, message } = placed.failed;
    const read = async () => {
      throw new DataError(message, { code, hint: 'It could not be read when its features were computed.' });
    };
    return { id, label, ...place, read };
  }
  const feature: StoredFeature = {
    encoder: stored.fingerprint,
    sha256: placed.row.sha256,
    exif: stored.exif,
    values: placed.values,
  };
  // The picture is still read where pixels are wanted: for thumbnails and dates.
  const read = async () => {
    const bytes = await readRegular(join(stored.root, id), PICTURE);
    if (sha256(bytes) === feature.sha256) return bytes;
    throw new DataError(`${id} is another picture than the one whose features are stored`, {
      code: 'features/other-picture',
      hint: 'Run tip-adapter embed again to use the new one.',
    });
  };
  return { id, label, ...place, stored: feature, read };
}

/** A file of a local folder, which is read in parts, or of a store. */
export function fileIn(store: ObjectStore, folder: string, path: string, signal?: AbortSignal): SourceFile {
  if (!isStoreAddress(folder)) return diskFile(path, join(folder, path));
  return { path, read: () => store.read(path, { signal }) };
}

/** The names of the Parquet files, in their order. */
export async function listedIn(
  store: ObjectStore,
  sums: Sums | undefined,
  { signal }: Abortable = {},
): Promise<string[]> {
  const bytes = await store.read(FILES_NAME, { signal });
  checkSum(bytes, FILES_NAME, sums);
  return Buffer.from(bytes).toString('utf8').split('\n').filter(Boolean);
}

/** The pictures of the Parquet files that files.txt lists. */
async function inFiles(folder: string, { sums }: StoredInfo, signal?: AbortSignal): Promise<Placed[]> {
  const store = openStore(folder);
  const placed: Placed[] = [];
  for (const name of await listedIn(store, sums, { signal })) {
    throwIfAborted(signal);
    const file = await verified(fileIn(store, folder, name, signal), sums, { signal });
    const { facts, rows, features } = await readFeatureFile(file);
    const start = placed.length;
    const failed = new Map(facts.failures.map((one) => [one.at, one]));
    let next = 0;
    for (let at = 0; at < facts.pictures; at++) {
      const one = failed.get(at);
      placed.push(
        one
          ? { at: start + at, failed: one }
          : { at: start + at, row: rows[next]!, values: row(features, next++) },
      );
    }
  }
  return placed;
}

/** The pictures of the tables, each with a CSV file, and those of failures.csv. */
async function inTables(
  folder: string,
  { tables, failures, classes, sums }: StoredInfo,
  signal?: AbortSignal,
): Promise<Placed[]> {
  const opened = await openTables(folder, new Map(), (bytes, file) => checkSum(bytes, file, sums));
  const placed: Placed[] = [];
  for (const [name, wanted] of Object.entries(tables)) {
    const table = await opened.read(name, { signal });
    const rows = await recordsOf(folder, `${name}.csv`, sums);
    if (table?.features.rows !== wanted || rows.length !== wanted)
      throw damagedFeatures(
        folder,
        `the table ${name} does not have the ${count(wanted, 'row')} of info.json`,
      );
    if (table.labels) checkStoredLabels(table.labels, placesOf(folder, rows, classes), { name, classes });
    for (const [i, record] of rows.entries()) {
      const own = { id: record.id ?? '', ...placeOf(record), sha256: record.sha256 ?? '' };
      placed.push({ at: Number(record.index), row: own, values: row(table.features, i) });
    }
  }
  if (failures > 0)
    for (const record of await recordsOf(folder, FAILURES_NAME, sums)) {
      // A file or folder that could not be listed has no place.
      if (record.index === '') continue;
      const { id = '', code = '', message = '' } = record;
      placed.push({ at: Number(record.index), failed: { id, ...placeOf(record), code, message } });
    }
  return placed;
}

/** For each row of a table, the place of its class in the list of classes, from the CSV file; -1 for a row without a class. */
export async function storedPlaces(
  folder: string,
  name: string,
  classes: readonly string[],
): Promise<Int32Array> {
  return placesOf(folder, await recordsOf(folder, `${name}.csv`), classes);
}

function placesOf(
  folder: string,
  rows: readonly Readonly<Record<string, string>>[],
  classes: readonly string[],
): Int32Array {
  const placeOfClass = new Map(classes.map((id, place) => [id, place]));
  return Int32Array.from(rows, (record) =>
    labelOf(folder, { id: record.id, class: placeOf(record).class }, placeOfClass),
  );
}

/** The place of the picture's class in the list of classes; -1 without a class. */
function labelOf(
  folder: string,
  { id, class: name }: { readonly id?: string; readonly class?: string },
  places: ReadonlyMap<string, number>,
): number {
  const place = name === undefined ? -1 : places.get(name);
  if (place !== undefined) return place;
  throw damagedFeatures(folder, `the class "${name}" of ${id} is not among those of info.json`);
}

/** Refuses labels of consecutive rows of a table, from row `first` on, if its CSV file gives one of the rows another class. */
export function checkStoredLabels(
  labels: Int32Array,
  places: Int32Array,
  { name, classes, first = 0 }: { name: string; classes: readonly string[]; first?: number },
): void {
  const at = labels.findIndex((label, i) => label !== places[first + i]);
  if (at < 0) return;
  const inTable = `${labels[at]} (${named(classes, labels[at]!)})`;
  const inCsv = named(classes, places[first + at]!);
  throw new DataError(
    `Row ${first + at} of the table ${name} has the label ${inTable}, and ${name}.csv says ${inCsv}`,
    {
      code: 'features/label',
      hint: 'Give the row the same class in both files, or remove them and run tip-adapter embed again.',
      details: { table: name, row: first + at },
    },
  );
}

function named(classes: readonly string[], place: number): string {
  const id = classes[place];
  return id === undefined ? 'no class' : `"${id}"`;
}

async function recordsOf(
  folder: string,
  name: string,
  sums?: Sums,
): Promise<readonly Readonly<Record<string, string>>[]> {
  const path = join(folder, name);
  const bytes = await readRegular(path, STORED);
  checkSum(bytes, name, sums);
  return parseTable(bytes, path).rows;
}

/** The error for features of a run that has not ended. */
export function unfinished(folder: string): DataError {
  return new DataError(`${folder} holds features of a run that is not finished`, {
    code: 'features/unfinished',
    hint: 'Run the same tip-adapter embed again: it does only what is missing.',
    details: { folder },
  });
}

function incomplete(folder: string, found: number, wanted: number): DataError {
  return damagedFeatures(folder, `it has ${count(found, 'picture')}, and info.json says ${wanted}`);
}

/** The error for stored features that do not fit together. */
export function damagedFeatures(folder: string, why: string): DataError {
  return new DataError(`The features in ${folder} are damaged: ${why}`, {
    code: 'features/damaged',
    hint: 'Remove the folder and run tip-adapter embed again; encoded pictures are in the cache.',
    details: { folder },
  });
}
