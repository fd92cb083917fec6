import type { Abortable } from '../abort.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import type { UnitRows } from '../linalg/unit-rows.ts';
import { fromHalf } from '../math/half.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { DType, TensorData } from '../math/tensor.ts';
import { count } from '../words.ts';

interface RowFacts {
  /** Class of each row, [n]. */
  readonly labels: Int32Array;
  /** Place of each row in the folder, [n]: a number that no other row has, and that is larger than those of the rows before. */
  readonly places: Float64Array;
}

/** Some consecutive labelled rows of a folder of features. */
export interface FeatureBlock extends RowFacts {
  /** Unit rows, [n, d]. They may be valid until the next block only. */
  readonly rows: Matrix;
}

/** The same rows as they are stored. */
export interface StoredBlock extends RowFacts {
  /** [n, d] */
  readonly numbers: { readonly dtype: DType; readonly data: TensorData };
  readonly dimension: number;
  /** The file, and the number of the first row in it, for errors. */
  readonly path: string;
  readonly first: number;
}

/** Options of a reading: `spare` holds buffers of earlier blocks that are read into again. */
interface BlockReading extends Abortable {
  spare?: ArrayBuffer[];
}

/** Rows of one file that are read on their own: a whole Parquet file, or a range of a table. Their summary can be a job of its own. */
export interface FeaturePart {
  /** The part in words, different from those of the folder's other parts. */
  readonly name: string;
  /** Place of its first row in the folder. */
  readonly first: number;
  /** Number of bytes that are read for it. */
  readonly bytes: number;
  /** Changes whenever the bytes of its file do. It is asked for anew at each call. */
  tag(): Promise<string>;
  blocks(reading?: BlockReading): AsyncGenerator<StoredBlock>;
}

/** The labelled examples of a folder of features, in blocks. Memory holds two blocks, and never a whole file. */
export interface FeatureStream {
  readonly dimension: number;
  /** Number of all rows, with those of other splits and without a label. */
  readonly rows: number;
  /** Ids of the classes, in the order of the labels. */
  readonly classes: readonly string[];
  /** The splits of the labelled rows that were read so far, '' for none. Rows of both kinds are refused (`mixedSplits`). */
  readonly splits: ReadonlySet<string>;
  readonly parts: readonly FeaturePart[];
}

/** Numbers in one block, 4 MB as float32. */
const BLOCK_NUMBERS = 2 ** 20;

/**
 * The block's rows as unit rows, checked. They are valid until the next call with the same `units`. Throws `DataError` that names the row if one
 * is not finite or all zeros.
 */
export function unitBlock(block: StoredBlock, units: UnitRows): FeatureBlock {
  const { numbers, dimension: cols, labels, places } = block;
  const { dtype, data } = numbers;
  const isUsual = dtype === 'float16' || dtype === 'float32';
  const rows = (isUsual && units.of(data as Float32Array | Uint16Array, cols)) || exactUnitRows(block);
  return { rows: matrix(labels.length, cols, rows), labels, places };
}

/** In double precision, unless a row is at fault. */
function exactUnitRows({
  numbers: { dtype, data },
  dimension: cols,
  labels,
  path,
  first,
}: StoredBlock): Float32Array {
  const values =
    dtype === 'float16' ? fromHalf(data as Uint16Array) : Float32Array.from(data as ArrayLike<number>);
  for (let i = 0; i < labels.length; i++) {
    const length = Math.sqrt(squaredLength(values, i * cols, cols));
    if (!(length > 0 && length < Number.POSITIVE_INFINITY)) throw badRow(path, first + i, length);
    const scale = 1 / length;
    for (let j = i * cols; j < (i + 1) * cols; j++) values[j]! *= scale;
  }
  return values;
}

function squaredLength(values: Float32Array, from: number, cols: number): number {
  // Independent sums, because each addition to a single one waits for the one before.
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let j = from;
  const end = from + cols;
  for (; j + 3 < end; j += 4) {
    a += values[j]! * values[j]!;
    b += values[j + 1]! * values[j + 1]!;
    c += values[j + 2]! * values[j + 2]!;
    d += values[j + 3]! * values[j + 3]!;
  }
  for (; j < end; j++) a += values[j]! * values[j]!;
  return a + b + c + d;
}

function badRow(path: string, row: number, length: number): DataError {
  if (length === 0) {
    return new DataError(`${path}: row ${row} is all zeros`, {
      code: 'dump/zero-row',
      hint: 'Such an embedding cannot be compared; embed the picture again.',
    });
  }
  return new DataError(`${path}: row ${row} holds a number that is not finite`, {
    code: 'dump/not-finite',
    hint: 'Embed the picture again, or leave out the row.',
  });
}

/** Refuses labels that are no places in the list of classes. */
export function checkBlockLabels(
  labels: Int32Array,
  classes: readonly string[],
  { path, first }: { path: string; first: number },
): void {
  const wrong = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (wrong < 0) return;
  throw new DataError(
    `${path}: row ${first + wrong} has label ${labels[wrong]}, and the classes are 0 to ${classes.length - 1}`,
    { code: 'dump/label' },
  );
}

/** Reads each item while the one before is in use. */
export async function* ahead<T>(
  n: number,
  read: (i: number) => Promise<T>,
  { signal }: Abortable = {},
): AsyncGenerator<T> {
  const begin = (i: number) => {
    if (i >= n) return undefined;
    const item = read(i);
    // If the caller stops before this item, nobody awaits it, and its error must not end the process.
    item.catch(() => {});
    return item;
  };
  let next = begin(0);
  for (let i = 0; i < n; i++) {
    throwIfAborted(signal);
    const item = await next!;
    next = begin(i + 1);
    yield item;
  }
}

/**
 * Memory for `size` bytes: a spare buffer of this size, or a new one. If no spare buffer has this size, all are dropped, because they are
 * for blocks of another size.
 */
export function bytesFor(size: number, spare: ArrayBuffer[] = []): Uint8Array<ArrayBuffer> {
  const at = spare.findIndex(({ byteLength }) => byteLength === size);
  if (at >= 0) return new Uint8Array(spare.splice(at, 1)[0]!);
  spare.length = 0;
  return new Uint8Array(size);
}

/** Places of consecutive rows. */
export function consecutive(first: number, n: number): Float64Array {
  const places = new Float64Array(n);
  for (let i = 0; i < n; i++) places[i] = first + i;
  return places;
}

/** Rows of one block for this width. */
export function rowsPerBlock(cols: number): number {
  return Math.max(1, Math.floor(BLOCK_NUMBERS / cols));
}

/** The error for a file whose rows and labels differ in number. */
export function labelCount(path: string, rows: number, labels: number | undefined): DataError {
  const has = labels === undefined ? 'no labels' : count(labels, 'label');
  return new DataError(`${path} has ${count(rows, 'row')} and ${has}`, { code: 'dump/labels' });
}
