import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { DataError } from '../errors.ts';
import type { DType, TensorData } from '../math/tensor.ts';
import { readNpyHeader } from '../store/npy.ts';
import { type FileUse, openRegular } from '../store/regular.ts';
import { typed } from '../store/safetensors.ts';
import { openSafetensors } from '../store/safetensors-file.ts';
import { TYPES } from '../store/safetensors-header.ts';
import {
  ahead,
  bytesFor,
  checkBlockLabels,
  consecutive,
  type FeaturePart,
  type FeatureStream,
  labelCount,
  rowsPerBlock,
} from './row-blocks.ts';

/** An array in a file: its numbers lie row after row from `start` on. */
interface StoredArray {
  readonly path: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly start: number;
}

const DUMP: FileUse = { area: 'dump' };

/** Rows of a part: a quarter of a million, so that the parts of a large table can be summed up at the same time. */
const ROWS_OF_PART = 2 ** 18;

/**
 * Opens a table `<name>.npy`, whose labels are given or in `<name>.labels.npy`, or `<name>.safetensors` with `features` and `labels`. Throws
 * `DataError` for other types and sizes.
 */
export async function openArrayTable(
  path: string,
  given: readonly number[] | undefined,
  classes: readonly string[],
): Promise<FeatureStream> {
  const { features, labels } = await (path.endsWith('.npy') ? npyArrays(path, given) : tensorArrays(path));
  const [rows, cols] = features.shape;
  if (rows === undefined || cols === undefined || features.shape.length !== 2)
    throw new DataError(`${path} is not a table of rows`, { code: 'dump/shape' });
  if (!['float16', 'float32', 'float64'].includes(features.dtype)) {
    throw new DataError(`${path} holds ${features.dtype}, and features must be float16, float32 or float64`, {
      code: 'dump/type',
    });
  }
  const labelled = labels && ('shape' in labels ? integerCount(labels) : labels.length);
  if (labelled !== rows) throw labelCount(path, rows, labelled);
  const parts: FeaturePart[] = [];
  for (let first = 0; first < rows; first += ROWS_OF_PART) {
    parts.push(
      partOf(features, labels!, { first, rows: Math.min(ROWS_OF_PART, rows - first), cols }, classes),
    );
  }
  return { dimension: cols, rows, classes, splits: new Set(['train']), parts };
}

function partOf(
  features: StoredArray,
  labels: StoredArray | readonly number[],
  { first, rows, cols }: { first: number; rows: number; cols: number },
  classes: readonly string[],
): FeaturePart {
  const { path, dtype } = features;
  const tagOfFile = async (name: string) => {
    const { size, mtimeMs } = await stat(name);
    return `${size}-${mtimeMs}`;
  };
  return {
    name: `${basename(path)}, rows ${first} to ${first + rows - 1}`,
    first,
    bytes: rows * cols * TYPES[dtype].array.BYTES_PER_ELEMENT,
    tag: async () =>
      `${await tagOfFile(path)} ${'shape' in labels ? await tagOfFile(labels.path) : labels.join()}`,
    async *blocks({ signal, spare } = {}) {
      const file = await open(path);
      const beside = 'shape' in labels ? await open(labels.path) : undefined;
      try {
        const step = rowsPerBlock(cols);
        const read = async (block: number) => {
          const from = first + block * step;
          const to = Math.min(from + step, first + rows);
          const own = beside
            ? Int32Array.from(
                (await readNumbers(beside, labels as StoredArray, from, to)) as ArrayLike<number | bigint>,
                Number,
              )
            : Int32Array.from((labels as readonly number[]).slice(from, to));
          return {
            from,
            labels: own,
            data: await readNumbers(file, features, from * cols, to * cols, spare),
          };
        };
        for await (const { from, labels: own, data } of ahead(Math.ceil(rows / step), read, { signal })) {
          checkBlockLabels(own, classes, { path, first: from });
          const places = consecutive(from, own.length);
          const numbers = { dtype: features.dtype, data };
          yield { numbers, dimension: cols, labels: own, places, path, first: from };
        }
      } finally {
        await file.close();
        await beside?.close();
      }
    },
  };
}

/** Numbers `from` to `to` of an array. */
async function readNumbers(
  file: FileHandle,
  { path, dtype, start }: StoredArray,
  from: number,
  to: number,
  spare?: ArrayBuffer[],
): Promise<TensorData> {
  const size = TYPES[dtype].array.BYTES_PER_ELEMENT;
  const bytes = bytesFor((to - from) * size, spare);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + from * size + done);
    if (bytesRead === 0) {
      throw new DataError(`${path} became shorter while it was read`, { code: 'dump/truncated' });
    }
    done += bytesRead;
  }
  return typed(dtype, bytes);
}

function integerCount({ path, dtype, shape }: StoredArray): number {
  if (shape.length === 1 && ['int32', 'int64', 'uint8', 'int8'].includes(dtype)) return shape[0]!;
  throw new DataError(`${path} has labels of ${dtype} [${shape.join(', ')}] instead of a list of integers`, {
    code: 'dump/labels',
  });
}

async function npyArrays(path: string, given: readonly number[] | undefined) {
  const features = await npyArray(path);
  const beside = path.replace(/\.npy$/, '.labels.npy');
  const labels = given ?? (await npyArray(beside).catch(unlessMissingLabels));
  return { features, labels };
}

function unlessMissingLabels(error: unknown): undefined {
  if (!(error instanceof DataError && error.code === 'dump/missing')) throw error;
}

async function npyArray(path: string): Promise<StoredArray> {
  const { file, stats } = await openRegular(path, DUMP);
  try {
    return { path, ...(await readNpyHeader(file, stats.size, path)) };
  } finally {
    await file.close();
  }
}

async function tensorArrays(path: string) {
  const file = await openSafetensors(path, DUMP);
  try {
    const arrayOf = (name: string): StoredArray | undefined => {
      const entry = file.entries.get(name);
      return entry && { path, dtype: entry.dtype, shape: entry.shape, start: file.position(name) };
    };
    const features = arrayOf('features');
    if (features) return { features, labels: arrayOf('labels') };
    throw new DataError(`${path} has no tensor "features" (it has ${[...file.entries.keys()].join(', ')})`, {
      code: 'dump/tensors',
      hint: 'The file needs the tensors features [n, d] and labels [n].',
    });
  } finally {
    await file.close();
  }
}
