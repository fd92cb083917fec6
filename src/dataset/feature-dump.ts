import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { DataError } from '../errors.ts';
import { dot, type Matrix, row } from '../math/matrix.ts';
import { readRegularText } from '../store/regular.ts';
import { count } from '../words.ts';
import { type DumpTable, openTables } from './dump-tables.ts';
import { groupBy } from './groups.ts';
import type { ClassInfo } from './types.ts';

/** Embeddings with their classes. */
export interface LabelledRows {
  readonly features: Matrix;
  readonly labels: Int32Array;
}

/**
 * A folder of features instead of pictures. `info.json` names the classes; tables are `.npy` files whose labels stand in
 * `info.json` or in `<table>.labels.npy`, or `.safetensors` files with `features` and `labels`: `train`, to draw examples from,
 * or `support_<k>shot`, drawn ones; `val` and `test`, to judge by; `text`, a row for each class, or `prompts`, several.
 */
export interface FeatureDump {
  readonly name: string;
  /** The model the features are from. */
  readonly encoder: string;
  readonly classes: readonly string[];
  readonly dimension: number;
  /** Examples by the number for each class; `train` by that of its largest class. */
  readonly draws: ReadonlyMap<number, LabelledRows>;
  /** Where examples can be drawn from by a seed. */
  readonly train?: LabelledRows;
  readonly val?: LabelledRows;
  readonly test?: LabelledRows;
  /** [c, d]. */
  readonly text?: Matrix;
  readonly prompts?: LabelledRows;
  /** What is odd and was taken as it is, in words. */
  readonly findings: readonly string[];
}

const info = z.object({
  dataset: z.string().optional(),
  model: z.string().optional(),
  classes: z.array(z.string()).min(2),
  files: z.record(z.string(), z.object({ labels: z.array(z.number().int()).optional() })).default({}),
});

/** Whether a folder is a dump of features. */
export async function isFeatureDump(folder: string): Promise<boolean> {
  const names: string[] = await readdir(folder).catch(() => []);
  return names.includes('info.json') && names.some((name) => /\.(npy|safetensors)$/.test(name));
}

/** The name of the data set whose features these are. Throws `DataError` where `info.json` is not as it must be. */
export async function dumpName(folder: string): Promise<string> {
  return (await readInfo(folder)).dataset ?? basename(resolve(folder));
}

/**
 * Reads a dump, by default one with examples. Throws `DataError` naming file and row where numbers, widths or labels do not fit.
 */
export async function readFeatureDump(
  folder: string,
  { examples = true }: { examples?: boolean } = {},
): Promise<FeatureDump> {
  const { dataset, model, classes, files } = await readInfo(folder);
  const tables = await openTables(folder, new Map(Object.entries(files)));
  const findings: string[] = [];
  let dimension = 0;
  const read = async (name: string): Promise<DumpTable | undefined> => {
    const table = await tables.read(name);
    if (!table) return undefined;
    const { features, path } = table;
    if (dimension > 0 && features.cols !== dimension) {
      throw new DataError(`${path} has ${features.cols} columns, the other files ${dimension}`, {
        code: 'dump/width',
      });
    }
    dimension = features.cols;
    findings.push(...lengthsOf(features, path));
    return table;
  };
  const labelled = async (name: string): Promise<LabelledRows | undefined> => {
    const table = await read(name);
    if (!table) return undefined;
    const labels = checkLabels(table, classes);
    findings.push(...absentClasses(labels, classes, table.path));
    return { features: table.features, labels };
  };
  const draws = new Map<number, LabelledRows>();
  for (const name of tables.names) {
    const shots = /^support_(\d+)shot$/.exec(name)?.[1];
    if (shots) draws.set(Number(shots), (await labelled(name)) as LabelledRows);
  }
  const train = await labelled('train');
  if (train) draws.set(largestClass(train.labels), train);
  if (examples && draws.size === 0) {
    throw new DataError(`${folder} has no examples to learn from`, {
      code: 'dump/no-support',
      hint: 'Expected is train.npy, or support_1shot.npy, support_2shot.npy, …, with the class of every row.',
    });
  }
  const [val, test] = [await labelled('val'), await labelled('test')];
  const [prompts, text] = [await labelled('prompts'), await read('text')];
  if (text && text.features.rows !== classes.length) {
    throw new DataError(`${text.path} has ${text.features.rows} rows; there are ${classes.length} classes`, {
      code: 'dump/text',
      hint: 'Several rows for a class belong into prompts.npy, with the class of each.',
    });
  }
  const name = dataset ?? basename(resolve(folder));
  const rest = { draws, train, val, test, text: text?.features, prompts, findings };
  return { name, encoder: model ?? 'unknown', classes, dimension, ...rest };
}

async function readInfo(folder: string): Promise<z.infer<typeof info>> {
  const path = join(folder, 'info.json');
  const text = await readRegularText(path, { area: 'dump' });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${path} is not JSON`, { code: 'dump/info', cause });
  }
  const parsed = info.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DataError(`${path} does not describe features: ${z.prettifyError(parsed.error)}`, {
    code: 'dump/info',
    hint: 'Expected is {"dataset": …, "model": …, "classes": ["cat", "dog", …]}.',
  });
}

function checkLabels({ labels, features, path }: DumpTable, classes: readonly string[]): Int32Array {
  if (labels?.length !== features.rows) {
    throw new DataError(`${path} has ${features.rows} rows and ${labels?.length ?? 'no'} labels`, {
      code: 'dump/labels',
    });
  }
  const wrong = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (wrong < 0) return labels;
  throw new DataError(
    `${path}: row ${wrong} has label ${labels[wrong]}; there are classes 0 to ${classes.length - 1}`,
    { code: 'dump/label' },
  );
}

/** Directions are what counts: a row of zeros has none; other lengths than one are said. */
function lengthsOf(features: Matrix, path: string): string[] {
  let [shortest, longest] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < features.rows; i++) {
    const length = Math.sqrt(dot(row(features, i), row(features, i)));
    if (length === 0) {
      throw new DataError(`${path}: row ${i} is all zeros`, {
        code: 'dump/zero-row',
        hint: 'An embedding without a direction cannot be compared; embed that picture again.',
      });
    }
    shortest = Math.min(shortest, length);
    longest = Math.max(longest, length);
  }
  if (shortest > 1 - ROUGH && longest < 1 + ROUGH) return [];
  return [
    `${path}: rows are ${shortest.toPrecision(3)} to ${longest.toPrecision(3)} long, not 1; methods bring them to unit length where they need it`,
  ];
}

/** Unit rows kept in half precision are off by less. */
const ROUGH = 5e-3;

function absentClasses(labels: Int32Array, classes: readonly string[], path: string): string[] {
  const absent = classes.filter((_, c) => !labels.includes(c));
  if (absent.length === 0) return [];
  const some = absent.slice(0, 3).join(', ');
  return [
    `${path}: ${count(absent.length, 'class', 'classes')} without a row (${some}${absent.length > 3 ? ', …' : ''})`,
  ];
}

function largestClass(labels: Int32Array): number {
  return Math.max(...[...groupBy(labels, (label) => label).values()].map(({ length }) => length));
}

/** A dump's classes as those of pictures are described. */
export function dumpClasses({ classes }: Pick<FeatureDump, 'classes'>): ClassInfo[] {
  return classes.map((name) => ({ id: name, name, promptName: name, prompts: [] }));
}
