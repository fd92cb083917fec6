import { readdir } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { inTurns, type Pieces } from '../abort.ts';
import { DataError } from '../errors.ts';
import { type Matrix, norm, row } from '../math/matrix.ts';
import { faultOf } from '../options.ts';
import { openStore, pathIn } from '../store/open-store.ts';
import { CONFIGURATION_LIMIT, readRegular } from '../store/regular.ts';
import { isStoreAddress } from '../store/store-address.ts';
import { count, plural } from '../words.ts';
import { type DumpTable, openTables } from './dump-tables.ts';
import { quoted } from './findings.ts';
import { groupBy } from './groups.ts';
import { visible } from './names.ts';
import { splitNamed } from './splits.ts';
import { storedInfo } from './stored-info.ts';
import { decodeText, parseJson } from './text-files.ts';
import type { ClassInfo, Split } from './types.ts';

/** Features [n, d] with a label for each row. */
export interface LabelledRows {
  readonly features: Matrix;
  readonly labels: Int32Array;
}

/**
 * A folder of features instead of pictures. `info.json` names the classes. A table is a `.npy` file with its labels in `info.json` or
 * in `<table>.labels.npy`, or a `.safetensors` file with `features` and `labels`. The tables are `train` (examples are drawn from it) or
 * `support_<k>shot` (examples drawn before), `val` for tuning, `test` for testing, and `text` (one row for each class) or `prompts`
 * (several rows for each class).
 */
export interface FeatureDump {
  readonly name: string;
  /** The model that made the features. */
  readonly encoder: string;
  readonly classes: readonly string[];
  readonly dimension: number;
  /** Examples by their number for each class. `train` stands under the size of its largest class. */
  readonly draws: ReadonlyMap<number, LabelledRows>;
  /** The table that examples can be drawn from by a seed. */
  readonly train?: LabelledRows;
  readonly val?: LabelledRows;
  readonly test?: LabelledRows;
  /** [c, d]. */
  readonly text?: Matrix;
  readonly prompts?: LabelledRows;
  /** Findings: peculiarities of the data that were left as they are. */
  readonly findings: readonly string[];
}

const info = z.object({
  dataset: z.string().optional(),
  model: z.string().optional(),
  classes: z.array(z.string().overwrite(visible).min(1)).min(2),
  files: z.record(z.string(), z.object({ labels: z.array(z.number().int()).optional() })).default({}),
});

/** A table that holds a draw of `k` examples of each class. */
const SUPPORT = /^support_(\d+)shot$/;

/** Whether a folder is a dump of features. One that `tip-adapter embed` wrote is none: it is a data set (`readDataset`). */
export async function isFeatureDump(folder: string): Promise<boolean> {
  const names: string[] = await readdir(folder).catch(() => []);
  const isDump = names.includes('info.json') && names.some((name) => /\.(npy|safetensors)$/.test(name));
  return isDump && (await storedInfo(folder)) === undefined;
}

/** The name of the data set whose features these are. Throws `DataError` if `info.json` is malformed. */
export async function dumpName(folder: string): Promise<string> {
  return (await readInfo(folder)).dataset ?? basename(resolve(folder));
}

/**
 * Reads a dump, which must have examples unless the options say otherwise. With `beside`, only the tables of texts are read, because the
 * others may be larger than the memory; without such tables, `dimension` is 0. Throws `DataError` naming file and row if numbers, widths or
 * labels do not fit.
 */
export async function readFeatureDump(
  folder: string,
  {
    examples = true,
    beside = false,
    signal,
  }: { examples?: boolean; beside?: boolean; signal?: AbortSignal } = {},
): Promise<FeatureDump> {
  const { dataset, model, classes, files } = await readInfo(folder);
  const tables = await openTables(folder, new Map(Object.entries(files)));
  const findings: string[] = [];
  let dimension = 0;
  const read = async (name: string): Promise<DumpTable | undefined> => {
    const table = await tables.read(name, { signal });
    if (!table) return undefined;
    const { features, path } = table;
    if (dimension > 0 && features.cols !== dimension) {
      throw new DataError(
        `${path} has ${count(features.cols, 'column')}, and the other files have ${dimension}`,
        {
          code: 'dump/width',
        },
      );
    }
    dimension = features.cols;
    findings.push(...(await inTurns(lengthsOf(features, path), signal)));
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
    const shots = SUPPORT.exec(name)?.[1];
    if (shots && !beside) draws.set(Number(shots), (await labelled(name)) as LabelledRows);
  }
  const ofSplit = async (split: Split) => {
    const [name, another] = tables.names.filter((table) => splitNamed(table) === split);
    if (another === undefined) return name === undefined || beside ? undefined : labelled(name);
    throw new DataError(`${folder} has two tables of the split ${split}: ${name} and ${another}`, {
      code: 'dump/two-tables',
      hint: 'Remove or rename one of them.',
    });
  };
  const train = await ofSplit('train');
  if (train) draws.set(largestClass(train.labels), train);
  if (examples && !beside && draws.size === 0) {
    throw new DataError(`${folder} has no examples to learn from`, {
      code: 'dump/no-support',
      hint: 'The folder needs train.npy, or support_1shot.npy, support_2shot.npy and so on, with the class of every row.',
    });
  }
  const [val, test] = [await ofSplit('val'), await ofSplit('test')];
  const [prompts, text] = [await labelled('prompts'), await read('text')];
  if (text && text.features.rows !== classes.length) {
    throw new DataError(
      `${text.path} has ${count(text.features.rows, 'row')}, and there are ${count(classes.length, 'class', 'classes')}`,
      {
        code: 'dump/text',
        hint: 'Put several rows for a class into prompts.npy, with the class of each.',
      },
    );
  }
  const unused = tables.names.filter((table) => !isKnownTable(table));
  if (unused.length > 0)
    findings.push(
      `${folder}: ${quoted(unused)} ${plural(unused.length, 'is', 'are')} not used, because no table has this name`,
    );
  const name = dataset ?? basename(resolve(folder));
  const rest = { draws, train, val, test, text: text?.features, prompts, findings };
  return { name, encoder: model ?? 'unknown', classes, dimension, ...rest };
}

/** Whether a dump can have a table of this name. */
function isKnownTable(name: string): boolean {
  return splitNamed(name) !== undefined || SUPPORT.test(name) || name === 'text' || name === 'prompts';
}

/** The checked info.json of a folder. Throws `DataError` `dump/…`. */
export async function readInfo(folder: string): Promise<z.infer<typeof info>> {
  const path = pathIn(folder, 'info.json');
  const bytes = isStoreAddress(folder)
    ? await openStore(folder).read('info.json')
    : await readRegular(path, { area: 'dump', limit: CONFIGURATION_LIMIT });
  const text = decodeText(bytes, path);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw new DataError(`${path} is not JSON: ${(cause as Error).message}`, { code: 'dump/info', cause });
  }
  const parsed = info.safeParse(value);
  if (parsed.success) {
    const { classes } = parsed.data;
    const twice = classes.find((name, i) => classes.indexOf(name) !== i);
    if (twice === undefined) return parsed.data;
    throw new DataError(`${path} names the class "${twice}" twice`, {
      code: 'dump/classes',
      hint: 'Labels are places in the list of classes, so every class needs a name of its own.',
    });
  }
  throw new DataError(`${path} does not describe features: ${faultOf(parsed.error)}`, {
    code: 'dump/info',
    hint: 'The file must be {"dataset": …, "model": …, "classes": ["cat", "dog", …]}.',
  });
}

function checkLabels({ labels, features, path }: DumpTable, classes: readonly string[]): Int32Array {
  if (labels?.length !== features.rows) {
    throw new DataError(
      `${path} has ${count(features.rows, 'row')} and ${labels ? count(labels.length, 'label') : 'no labels'}`,
      {
        code: 'dump/labels',
      },
    );
  }
  const wrong = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (wrong < 0) return labels;
  throw new DataError(
    `${path}: row ${wrong} has label ${labels[wrong]}, and the classes are 0 to ${classes.length - 1}`,
    { code: 'dump/label' },
  );
}

/** Methods use the directions of rows. A row of zeros has none and is refused; lengths other than 1 are reported. */
function* lengthsOf(features: Matrix, path: string): Pieces<string[]> {
  let [shortest, longest] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < features.rows; i++) {
    yield;
    const length = norm(row(features, i));
    if (length === 0) {
      throw new DataError(`${path}: row ${i} is all zeros`, {
        code: 'dump/zero-row',
        hint: 'Such an embedding cannot be compared; embed the picture again.',
      });
    }
    shortest = Math.min(shortest, length);
    longest = Math.max(longest, length);
  }
  if (shortest > 1 - ROUGH && longest < 1 + ROUGH) return [];
  return [
    `${path}: rows have lengths of ${shortest.toPrecision(3)} to ${longest.toPrecision(3)} instead of 1; methods scale them where they need unit length`,
  ];
}

/** Largest error of the length of a unit row in half precision. */
const ROUGH = 5e-3;

function absentClasses(labels: Int32Array, classes: readonly string[], path: string): string[] {
  const there = new Set(labels);
  const absent = classes.filter((_, c) => !there.has(c));
  if (absent.length === 0) return [];
  const some = absent.slice(0, 3).join(', ');
  return [
    `${path}: ${count(absent.length, 'class has', 'classes have')} no row (${some}${absent.length > 3 ? ` and ${absent.length - 3} more` : ''})`,
  ];
}

function largestClass(labels: Int32Array): number {
  return [...groupBy(labels, (label) => label).values()].reduce(
    (most, { length }) => Math.max(most, length),
    0,
  );
}

/** A dump's classes in the form of a data set's. */
export function dumpClasses({ classes }: Pick<FeatureDump, 'classes'>): ClassInfo[] {
  return classes.map((name) => ({ id: name, name, promptName: name, prompts: [] }));
}
