import { z } from 'zod';
import { DataError } from '../errors.ts';
import { fromHalf } from '../math/half.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { faultOf } from '../options.ts';
import { count } from '../words.ts';
import { openParquet, type Parquet } from './parquet-file.ts';
import { floatColumn, parquetBytes } from './parquet-writer.ts';
import { DTYPES, type FeatureType } from './stored-formats.ts';
import type { SourceFile } from './tree.ts';
import type { Split } from './types.ts';

/** The facts about a picture besides its features. */
export interface FeatureRow {
  readonly id: string;
  /** Id of its class. Absent for an unlabelled picture. */
  readonly class?: string;
  readonly split?: Split;
  readonly group?: string;
  /** Sha256 (hex) of the picture's file. */
  readonly sha256: string;
}

/** A picture that could not be read. */
export interface FailedRow extends Omit<FeatureRow, 'sha256'> {
  /** Its place among all pictures of the file, with the unreadable ones. */
  readonly at: number;
  /** Code and message of the error. */
  readonly code: string;
  readonly message: string;
}

/** The facts in the metadata of a file of features. */
export interface FeatureFacts {
  /** Fingerprint of the encoder. */
  readonly encoder: string;
  readonly dtype: FeatureType;
  readonly dimension: number;
  /** Number of pictures, with the unreadable ones. */
  readonly pictures: number;
  readonly failures: readonly FailedRow[];
}

/** Pictures' features as `tip-adapter embed` stores them in one Parquet file. */
export interface FeatureFile {
  readonly facts: FeatureFacts;
  /** In the order of the pictures, without the unreadable ones. */
  readonly rows: readonly FeatureRow[];
  /** [rows, d]. */
  readonly features: Matrix;
}

/** The key of the facts in the file's metadata. */
const KEY = 'tip-adapter';

const split = z.enum(['train', 'val', 'test']);
/** The schema of a picture that could not be read, in the metadata of a file. */
export const failureSchema = z.object({
  at: z.number().int().min(0),
  id: z.string(),
  class: z.string().optional(),
  split: split.optional(),
  group: z.string().optional(),
  code: z.string(),
  message: z.string(),
});
const facts = z.object({
  version: z.literal(1),
  encoder: z.string(),
  dtype: z.enum(DTYPES),
  dimension: z.number().int().min(1),
  pictures: z.number().int().min(0),
  failures: z.array(failureSchema),
});

/**
 * The bytes of a Parquet file: columns id, class, split, group, sha256 and features. Features are FIXED_LEN_BYTE_ARRAY, the little-endian
 * numbers of a row, whose type and number are in the metadata; with `lists` they are LIST<float>, which every reader understands.
 */
export function encodeFeatureFile(
  { facts, rows, features }: FeatureFile,
  { lists = false }: { lists?: boolean } = {},
): Promise<Uint8Array> {
  const text = (name: keyof FeatureRow) =>
    ({ name, type: 'text', values: rows.map((one) => one[name]) }) as const;
  const { dtype, dimension } = facts;
  const columns = [text('id'), text('class'), text('split'), text('group'), text('sha256')];
  return parquetBytes([...columns, floatColumn('features', features, dtype, lists)], {
    dtype: lists ? 'float32' : dtype,
    dimension: String(dimension),
    [KEY]: JSON.stringify({ version: 1, ...facts }),
  });
}

/** Reads only the facts of a file of features. Throws `DataError` if it is none. */
export async function readFeatureFacts(file: SourceFile): Promise<FeatureFacts> {
  return factsOf(await openParquet(file));
}

/** Reads a file of features. Throws `DataError` naming the row for numbers that are not finite. */
export async function readFeatureFile(file: SourceFile): Promise<FeatureFile> {
  const parquet = await openParquet(file);
  const facts = factsOf(parquet);
  const { dimension, failures, pictures } = facts;
  const n = parquet.rows;
  if (n + failures.length !== pictures) throw noFacts(file, 'it lacks pictures');
  const [ids, classes, splits, groups, hashes] = await Promise.all(
    ['id', 'class', 'split', 'group', 'sha256'].map((column) =>
      n === 0 ? [] : parquet.texts({ column, start: 0, end: n }),
    ),
  );
  const rows = ids!.map((id, i): FeatureRow => {
    const place = placeOf({ class: classes![i], split: splits![i], group: groups![i] });
    return { id, ...place, sha256: hashes![i]! };
  });
  const bytes = n === 0 ? new Uint8Array() : await parquet.numbers({ column: 'features', start: 0, end: n });
  const is16 = bytes.length === n * dimension * 2;
  if (!is16 && bytes.length !== n * dimension * 4)
    throw noFacts(file, `rows do not have ${count(dimension, 'number')}`);
  // The bytes are the whole of a buffer that the thread has handed over.
  const { buffer } = bytes;
  const values = is16 ? fromHalf(new Uint16Array(buffer)) : new Float32Array(buffer);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw noRow(file, Math.floor(bad / dimension), dimension);
  return { facts, rows, features: matrix(n, dimension, values) };
}

/** Class, split and group of a row in which '' means none. */
export function placeOf(given: {
  class?: string;
  split?: string;
  group?: string;
}): Omit<FeatureRow, 'id' | 'sha256'> {
  return {
    ...(given.class && { class: given.class }),
    ...(given.split && { split: given.split as Split }),
    ...(given.group && { group: given.group }),
  };
}

function factsOf({ file, metadata }: Parquet): FeatureFacts {
  let value: unknown;
  try {
    value = JSON.parse(metadata.get(KEY) ?? '');
  } catch {
    throw noFacts(file, `its metadata has no "${KEY}"`);
  }
  const parsed = facts.safeParse(value);
  if (parsed.success) return parsed.data;
  throw noFacts(file, faultOf(parsed.error));
}

function noRow({ path }: SourceFile, at: number, dimension: number): DataError {
  return new DataError(`${path}: row ${at} does not hold ${count(dimension, 'finite number')}`, {
    code: 'features/row',
    hint: 'The file is damaged. Remove it and run tip-adapter embed again, which makes only this file anew.',
    details: { path, row: at },
  });
}

function noFacts({ path }: SourceFile, why: string): DataError {
  return new DataError(`${path} is not a whole file of features: ${why}`, {
    code: 'features/file',
    hint: 'Remove it and run tip-adapter embed again, which makes only this file anew.',
    details: { path },
  });
}
