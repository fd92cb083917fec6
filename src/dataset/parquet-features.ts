import { join, posix } from 'node:path';
import { DataError, throwIfAborted } from '../errors.ts';
import { typed } from '../store/safetensors.ts';
import { count } from '../words.ts';
import { damaged, openParquet, type Parquet } from './parquet-file.ts';
import {
  ahead,
  checkBlockLabels,
  type FeatureBlock,
  type FeaturePart,
  type FeatureStream,
  rowsPerBlock,
  unitBlock,
} from './row-blocks.ts';
import { diskFile } from './source.ts';
import { splitNamed, splitWithin } from './splits.ts';

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
  const check = splitCheck(folder);
  for (const name of names) {
    const split = splitOfFile(name) ?? '';
    if (split !== '' && split !== 'train') continue;
    const path = join(folder, name);
    const parquet = await openParquet(diskFile(name, path));
    if (parquet.rows === 0) continue;
    const columns = await columnsOf(parquet, path, classes);
    if (dimension > 0 && columns.dimension !== dimension) {
      throw new DataError(
        `${path} has ${count(columns.dimension, 'column')}, and the other files have ${dimension}`,
        { code: 'dump/width' },
      );
    }
    dimension = columns.dimension;
    parts.push(partOf(parquet, columns, { path, first, rows: parquet.rows }, { classes, split, check }));
    first += parquet.rows;
  }
  if (first === 0) {
    throw new DataError(`${folder} has no examples to learn from`, {
      code: 'dump/no-support',
      hint: 'The folder needs Parquet files with rows of the split train, or without a split.',
    });
  }
  return { dimension, rows: first, parts };
}

/**
 * Checks the splits of the rows that are read, '' for none. Beside rows of the split train, rows without one belong to no split, as in every
 * data set. The rows are read in blocks, so that it is known too late which they are: they are refused.
 */
function splitCheck(folder: string): (split: string) => void {
  const seen = new Set<string>();
  return (split) => {
    if (seen.add(split).size < 2) return;
    throw new DataError(`${folder} has rows of the split train and rows without a split`, {
      code: 'dump/splits',
      hint: 'Give all examples the split train, or none of them.',
      details: { folder },
    });
  };
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
  parquet: Parquet,
  { features, label, hasSplit, dimension, dtype, classOf }: Columns,
  { path, first, rows }: Pick<FeaturePart, 'path' | 'first' | 'rows'>,
  {
    classes,
    split: fileSplit,
    check,
  }: { classes: readonly string[]; split: string; check(split: string): void },
): FeaturePart {
  const width = dimension * (dtype === 'float16' ? 2 : 4);
  const labelOf = (text: string, row: number): number => {
    const found = classOf(text);
    if (found !== undefined) return found;
    throw new DataError(`${path}: row ${row} has the ${label} "${text}", which info.json does not have`, {
      code: 'dump/label',
    });
  };
  return {
    path,
    first,
    rows,
    async *blocks({ signal } = {}) {
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
          check(split);
          return true;
        });
        for (let at = 0; at < kept.length; at += step) {
          throwIfAborted(signal);
          const own = kept.slice(at, at + step);
          const numbers = new Uint8Array(own.length * width);
          own.forEach((i, k) => {
            numbers.set(bytes.subarray(i * width, (i + 1) * width), k * width);
          });
          const place = { path, first: range.start + own[0]! };
          const found = Int32Array.from(own, (i) => labelOf(labels[i]!, range.start + i));
          checkBlockLabels(found, classes, place);
          yield {
            rows: unitBlock({ dtype, data: typed(dtype, numbers) as Float32Array }, dimension, place),
            labels: found,
            places: Float64Array.from(own, (i) => first + range.start + i),
          } satisfies FeatureBlock;
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
