import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { DataError } from '../errors.ts';
import { fromHalf } from '../math/half.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { checkFile } from '../store/checksum.ts';
import { parseNpy } from '../store/npy.ts';

/** Embeddings with their classes. */
export interface LabelledRows {
  readonly features: Matrix;
  readonly labels: Int32Array;
}

/**
 * A folder of features instead of pictures: `info.json` names the classes and, for each `.npy` file, the class of every row;
 * `support_<k>shot.npy` are draws of examples, `val.npy` and `test.npy` rows to judge by, `text.npy` a row for each class.
 */
export interface FeatureDump {
  readonly name: string;
  /** The model the features are from. */
  readonly encoder: string;
  readonly classes: readonly string[];
  readonly dimension: number;
  readonly draws: ReadonlyMap<number, LabelledRows>;
  readonly val?: LabelledRows;
  readonly test?: LabelledRows;
  /** [c, d]. */
  readonly text?: Matrix;
  /** Sha256 (hex) of every file used. */
  readonly hashes: readonly string[];
}

const info = z.object({
  dataset: z.string().optional(),
  model: z.string().optional(),
  classes: z.array(z.string()).min(2),
  files: z.record(z.string(), z.object({ labels: z.array(z.number().int()).optional() })),
});

/** Whether a folder is a dump of features. */
export async function isFeatureDump(folder: string): Promise<boolean> {
  const names: string[] = await readdir(folder).catch(() => []);
  return names.includes('info.json') && names.some((name) => name.endsWith('.npy'));
}

/** Reads a dump. Throws `DataError` naming file and row where numbers, widths or labels do not fit. */
export async function readFeatureDump(folder: string): Promise<FeatureDump> {
  const { dataset, model, classes, files } = await readInfo(folder);
  const hashes: string[] = [];
  let dimension = 0;
  const read = async (file: string): Promise<Matrix | undefined> => {
    if (!(file in files)) return undefined;
    const path = join(folder, file);
    const bytes = await readFile(path).catch(() => {
      throw new DataError(`${path} is named in info.json and is not there`, { code: 'dump/missing' });
    });
    hashes.push((await checkFile(path, {})).sha256);
    const rows = matrixOf(parseNpy(bytes), path);
    if (dimension > 0 && rows.cols !== dimension) {
      throw new DataError(`${path} has ${rows.cols} columns, the other files ${dimension}`, {
        code: 'dump/width',
      });
    }
    dimension = rows.cols;
    return rows;
  };
  const labelled = async (file: string): Promise<LabelledRows | undefined> => {
    const features = await read(file);
    return (
      features && {
        features,
        labels: labelsOf(files[file].labels, features.rows, classes, join(folder, file)),
      }
    );
  };
  const draws = new Map<number, LabelledRows>();
  for (const file of Object.keys(files)) {
    const shots = /^support_(\d+)shot\.npy$/.exec(file)?.[1];
    if (shots) draws.set(Number(shots), (await labelled(file)) as LabelledRows);
  }
  if (draws.size === 0) {
    throw new DataError(`${folder} has no examples to learn from`, {
      code: 'dump/no-support',
      hint: 'Expected are support_1shot.npy, support_2shot.npy, …, listed with their labels in info.json.',
    });
  }
  const [val, test, text] = [await labelled('val.npy'), await labelled('test.npy'), await read('text.npy')];
  if (text && text.rows !== classes.length) {
    throw new DataError(
      `${join(folder, 'text.npy')} has ${text.rows} rows; there are ${classes.length} classes`,
      {
        code: 'dump/text',
      },
    );
  }
  const name = dataset ?? basename(resolve(folder));
  return { name, encoder: model ?? 'unknown', classes, dimension, draws, val, test, text, hashes };
}

async function readInfo(folder: string): Promise<z.infer<typeof info>> {
  const path = join(folder, 'info.json');
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new DataError(`${path} is not JSON`, { code: 'dump/info', cause });
  }
  const parsed = info.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DataError(`${path} does not describe features: ${z.prettifyError(parsed.error)}`, {
    code: 'dump/info',
  });
}

function matrixOf({ dtype, shape, data }: Tensor, path: string): Matrix {
  if (shape.length !== 2) throw new DataError(`${path} is not a table of rows`, { code: 'dump/shape' });
  const values =
    dtype === 'float16' ? fromHalf(data as Uint16Array) : Float32Array.from(data as Float32Array);
  const bad = values.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    throw new DataError(`${path}: row ${Math.floor(bad / shape[1])} holds ${values[bad]}`, {
      code: 'dump/not-finite',
    });
  }
  return matrix(shape[0], shape[1], values);
}

function labelsOf(
  labels: readonly number[] | undefined,
  rows: number,
  classes: readonly string[],
  path: string,
): Int32Array {
  if (labels?.length !== rows) {
    throw new DataError(`${path} has ${rows} rows and ${labels?.length ?? 'no'} labels`, {
      code: 'dump/labels',
    });
  }
  const wrong = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (wrong < 0) return Int32Array.from(labels);
  throw new DataError(
    `${path}: row ${wrong} has label ${labels[wrong]}; there are classes 0 to ${classes.length - 1}`,
    {
      code: 'dump/label',
    },
  );
}
