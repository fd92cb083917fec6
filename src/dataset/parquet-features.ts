import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Abortable } from '../abort.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { openStore, pathIn } from '../store/open-store.ts';
import { fileIdentity, unlessMissing } from '../store/regular.ts';
import { typed } from '../store/safetensors.ts';
import { count } from '../words.ts';
import { damaged, openParquet, type Parquet } from './parquet-file.ts';
import {
  ahead,
  bytesFor,
  checkBlockLabels,
  type FeaturePart,
  type FeatureStream,
  rowsPerBlock,
  type StoredBlock,
} from './row-blocks.ts';
import { splitNamed, splitWithin } from './splits.ts';
import { damagedFeatures, fileIn, listedIn } from './stored-features.ts';
import type { StoredInfo } from './stored-info.ts';
import { verified } from './stored-sums.ts';

/** Names of the column of features. */
const FEATURES = ['features', 'feature', 'embedding', 'embeddings'];
/** A column of places in the list of classes, and one of names of classes. */
const PLACES = 'label';
const NAMES = 'class';

/** A row group with more bytes of features is refused, because it is read at once. */
const LARGEST_GROUP = 2 ** 28;

/** How a file's features and labels are stored. */
interface Columns {
  readonly features: string;
  readonly label: string;
  readonly hasSplit: boolean;
  readonly dimension: number;
  readonly dtype: 'float16' | 'float32';
  /** The class of a value of the column of labels. */
  classOf(text: string): number | undefined;
}

/**
 * Opens Parquet files of features: FIXED_LEN_BYTE_ARRAY with the little-endian numbers of a row (`dtype` in the file's metadata, else
 * float32), or lists of numbers; a column `label` (places in the list of classes) or `class` (names); and perhaps a column `split`, of
 * which only `train` is read. If no row is of that split, those without one are read. Rows without a label are left out. Throws `DataError`.
 */
export async function openParquetFeatures(
  folder: string,
  names: readonly string[],
  classes: readonly string[],
): Promise<FeatureStream> {
  const parts: FeaturePart[] = [];
  let first = 0;
  let dimension = 0;
  const splits = new Set<string>();
  const store = openStore(folder);
  for (const name of names) {
    const split = splitOfFile(name) ?? '';
    if (split !== '' && split !== 'train') continue;
    const path = pathIn(folder, name);
    const parquet = await openParquet(fileIn(store, folder, name));
    if (parquet.rows === 0) continue;
    const columns = await columnsOf(parquet, path, classes);
    if (dimension > 0 && columns.dimension !== dimension) {
      throw new DataError(
        `${path} has ${count(columns.dimension, 'column')}, and the other files have ${dimension}`,
        { code: 'dump/width' },
      );
    }
    dimension = columns.dimension;
    const { size: bytes = 0 } = (await store.find(name)) ?? {};
    const open = async () => ({ parquet, columns });
    parts.push(partOf(open, { name, path, first, bytes }, { folder, store, classes, split, splits }));
    first += parquet.rows;
  }
  if (first === 0) {
    throw new DataError(`${folder} has no examples to learn from`, {
      code: 'dump/no-support',
      hint: 'The folder needs Parquet files with rows of the split train, or without a split.',
    });
  }
  return { dimension, rows: first, classes, splits, parts };
}

/**
 * Number of places that are reserved for a file of `embed`. The file is opened when its rows are read, so its number of rows is not known
 * before.
 */
const PLACES_OF_FILE = 2 ** 32;

/**
 * Opens the Parquet files of a finished run of `tip-adapter embed`, in a folder or a store. They may be thousands: each is opened when its rows
 * are read, and is then in memory if it comes from a store.
 */
export async function openStoredParquet(
  folder: string,
  { dimension, pictures, failures, classes, sums }: StoredInfo,
  { signal }: Abortable = {},
): Promise<FeatureStream> {
  const store = openStore(folder);
  const names = await listedIn(store, sums, { signal });
  const sizes = new Map<string, number | undefined>();
  for await (const { key, size } of store.list('', { signal })) sizes.set(key, size);
  const splits = new Set<string>();
  const parts = names.map((name, i): FeaturePart => {
    const path = pathIn(folder, name);
    /** The file on disk whose bytes were checked. It is read several times, and checked again only if it has changed. */
    let checked: string | undefined;
    const open = async (work: Abortable) => {
      const file = fileIn(store, folder, name, work.signal);
      const version = file.absolute && (await versionOf(file.absolute));
      const known = version !== undefined && version === checked;
      const parquet = await openParquet(known ? file : await verified(file, sums, work));
      checked = version;
      if (parquet.rows === 0) return undefined;
      const columns = await columnsOf(parquet, path, classes);
      if (columns.dimension === dimension) return { parquet, columns };
      const has = count(columns.dimension, 'number');
      throw damagedFeatures(folder, `the rows of ${name} have ${has}, and info.json says ${dimension}`);
    };
    const where = { name, path, first: i * PLACES_OF_FILE, bytes: sizes.get(name) ?? 0 };
    return partOf(open, where, { folder, store, classes, split: '', splits });
  });
  return { dimension, rows: pictures - failures, classes, splits, parts };
}

/** Identifies a file and its last change. Programs that copy files may set its date of modification, but not that of its last change. */
async function versionOf(path: string): Promise<string | undefined> {
  const stats = await stat(path).catch(unlessMissing);
  return stats && `${fileIdentity(stats)} ${stats.ctimeMs}`;
}

/**
 * The error for rows of the split train beside rows without a split. Other data sets leave the rows without a split out. Features are read
 * in blocks, and a row of the split train may come after such rows have been learnt from.
 */
export function mixedSplits(folder: string): DataError {
  return new DataError(`${folder} has rows of the split train and rows without a split`, {
    code: 'dump/splits',
    hint: 'Give all examples the split train, or none of them.',
    details: { folder },
  });
}

/** The split in the name of the file or of its folder. */
function splitOfFile(name: string) {
  const { dir, name: own } = posix.parse(name);
  return splitNamed(posix.basename(dir)) ?? splitWithin(own);
}

/** The columns of features and labels. Without a stated dimension, it is that of the first row. */
async function columnsOf(parquet: Parquet, path: string, classes: readonly string[]): Promise<Columns> {
  const { columns, metadata, file } = parquet;
  const features = FEATURES.find((name) => columns.includes(name));
  const label = [PLACES, NAMES].find((name) => columns.includes(name));
  if (features === undefined || label === undefined) {
    throw new DataError(`${path} has the columns ${columns.join(', ')}`, {
      code: 'dump/columns',
      hint: `It needs the columns ${FEATURES[0]} and ${PLACES} or ${NAMES}.`,
      details: { path },
    });
  }
  const dtype = metadata.get('dtype') ?? 'float32';
  if (dtype !== 'float16' && dtype !== 'float32')
    throw damaged(file, `its features are of ${dtype} instead of float16 or float32`);
  const { length: width } = await parquet.numbers({ column: features, start: 0, end: 1 });
  const dimension = width / (dtype === 'float16' ? 2 : 4);
  const stated = Number(metadata.get('dimension') ?? dimension);
  if (!Number.isInteger(dimension) || dimension === 0 || dimension !== stated)
    throw damaged(
      file,
      `a row has ${count(width, 'byte')} of ${dtype}, which do not make ${count(stated, 'number')}`,
    );
  const numberOf = new Map(classes.map((name, c) => [name, c]));
  // Names of classes may look like numbers, so the column tells what its values are.
  const isNames = label === NAMES || parquet.names.has(label);
  const classOf = (text: string) =>
    isNames ? numberOf.get(text) : /^\d+$/.test(text) ? Number(text) : undefined;
  return { features, label, hasSplit: columns.includes('split'), dimension, dtype, classOf };
}

function partOf(
  open: (work: Abortable) => Promise<{ parquet: Parquet; columns: Columns } | undefined>,
  { path, ...part }: Pick<FeaturePart, 'name' | 'first' | 'bytes'> & { path: string },
  {
    folder,
    store,
    classes,
    split: fileSplit,
    splits: seen,
  }: { folder: string; store: ObjectStore; classes: readonly string[]; split: string; splits: Set<string> },
): FeaturePart {
  return {
    ...part,
    async tag() {
      const { size, tag = '' } = (await store.find(part.name)) ?? {};
      return `${size} ${tag}`;
    },
    async *blocks({ signal, spare } = {}) {
      const opened = await open({ signal });
      if (!opened) return;
      const { parquet, columns } = opened;
      const { features, label, hasSplit, dimension, dtype, classOf } = columns;
      const width = dimension * (dtype === 'float16' ? 2 : 4);
      const labelOf = (text: string, row: number): number => {
        const found = classOf(text);
        if (found !== undefined) return found;
        throw new DataError(`${path}: row ${row} has the ${label} "${text}", which info.json does not have`, {
          code: 'dump/label',
        });
      };
      const groups = groupsOf(parquet, width);
      const step = rowsPerBlock(dimension);
      const read = async (g: number) => {
        const range = groups[g]!;
        const labels = await parquet.texts({ column: label, ...range });
        const splits = hasSplit ? await parquet.texts({ column: 'split', ...range }) : [];
        return { range, labels, splits, bytes: await parquet.numbers({ column: features, ...range }) };
      };
      for await (const { range, labels, splits, bytes } of ahead(groups.length, read, { signal })) {
        const kept = [...labels.keys()].filter((i) => {
          const split = splits[i] ? splitNamed(splits[i]) : fileSplit;
          if (labels[i] === '' || (split !== '' && split !== 'train')) return false;
          if (seen.add(split).size > 1) throw mixedSplits(folder);
          return true;
        });
        for (let at = 0; at < kept.length; at += step) {
          throwIfAborted(signal);
          const own = kept.slice(at, at + step);
          const numbers = bytesFor(own.length * width, spare);
          own.forEach((i, k) => {
            numbers.set(bytes.subarray(i * width, (i + 1) * width), k * width);
          });
          const place = { path, first: range.start + own[0]! };
          const found = Int32Array.from(own, (i) => labelOf(labels[i]!, range.start + i));
          checkBlockLabels(found, classes, place);
          yield {
            numbers: { dtype, data: typed(dtype, numbers) },
            dimension,
            labels: found,
            places: Float64Array.from(own, (i) => part.first + range.start + i),
            ...place,
          } satisfies StoredBlock;
        }
      }
    },
  };
}

function groupsOf({ groups, file }: Parquet, width: number): { start: number; end: number }[] {
  let end = 0;
  return groups.map(({ rows }) => {
    if (rows * width > LARGEST_GROUP) {
      throw damaged(
        file,
        `a row group has ${count(rows * width, 'byte')} of features; write it in groups of at most ${count(LARGEST_GROUP, 'byte')}`,
      );
    }
    end += rows;
    return { start: end - rows, end };
  });
}
