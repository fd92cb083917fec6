import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { giveWay } from '../abort.ts';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { unlessMissing } from '../store/regular.ts';
import { withNamedErrors } from '../system-error.ts';
import { count, number } from '../words.ts';
import { describeClasses } from './classes.ts';
import { CARD_NAME, cardOf, classNamesOfCard } from './dataset-card.ts';
import { info, quoted, warning } from './findings.ts';
import { LAYOUT_HINT } from './folder-checks.ts';
import { refuseForeignFile, refuseForeignTable } from './foreign.ts';
import { groupBy } from './groups.ts';
import { CLASSES_NAME } from './indexes.ts';
import { parseTable, TABLE_ENDINGS } from './text-files.ts';
import { readListed } from './listed.ts';
import { type Lookup, lookupInTree, lookupOnDisk } from './lookup.ts';
import { visible } from './names.ts';
import { type Found, readTree } from './read-tree.ts';
import { diskFile, folderTree, zipTree } from './source.ts';
import { splitNamed } from './splits.ts';
import type { Dataset, Example, Finding, Split } from './types.ts';

/** How a data set is read. */
export interface ReadOptions {
  /** Keep the examples of this split only (all classes stay). */
  split?: Split;
  /** Path of a classes.csv; default: the one in the root of the data, if there. */
  classes?: string;
  signal?: AbortSignal;
}

/**
 * Reads labelled pictures: `<class>/*`, `{train,val,test}/<class>/*`, a folder with an index.csv or metadata.csv (or .jsonl),
 * such a table itself, CoOp's layouts, or a zip of any of these. Pictures are listed, not opened. Throws `DataError` when
 * `source` is missing, empty or laid out otherwise; what is merely odd is in `findings`.
 */
export function readDataset(source: string, options: ReadOptions = {}): Promise<Dataset> {
  return withNamedErrors(async () => {
    const found = await read(source, options.signal);
    await giveWay(options.signal);
    const classesTable = options.classes
      ? parseTable(await diskFile(options.classes, options.classes).read(), options.classes)
      : found.classesTable;
    return selectSplit(assemble(found, classesTable), options.split);
  });
}

async function read(source: string, signal?: AbortSignal): Promise<Found> {
  const stats = await stat(source).catch(unlessMissing);
  if (!stats) {
    throw new DataError(`There is no file or folder ${source}`, {
      code: 'dataset/missing',
      hint: LAYOUT_HINT,
      details: { path: source },
    });
  }
  if (stats.isDirectory()) return readTree(await folderTree(source, signal), signal);
  const ending = extname(source).toLowerCase();
  if (ending === '.zip') return readTree(await zipTree(source, signal), signal);
  if (TABLE_ENDINGS.includes(ending)) return readTableFile(source, signal);
  if (!isImagePath(source)) await refuseForeignFile(diskFile(source, resolve(source)));
  const kind = isImagePath(source) ? 'a single picture' : 'neither a folder, a table nor a zip archive';
  throw new DataError(`${source} is ${kind}, and a data set is needed`, {
    code: 'dataset/kind',
    hint: LAYOUT_HINT,
    details: { path: source },
  });
}

async function readTableFile(source: string, signal?: AbortSignal): Promise<Found> {
  const root = resolve(source);
  const table = parseTable(await diskFile(source, root).read(), basename(source));
  refuseForeignTable(table);
  const labelled = await readListed([{ table, lookup: lookupNear(root) }], signal);
  const beside = await readdir(dirname(root));
  const fileBeside = (wanted: string) => {
    const name = beside.find((other) => other.toLowerCase() === wanted && other !== basename(root));
    return name === undefined ? undefined : diskFile(name, join(dirname(root), name));
  };
  const classes = fileBeside(CLASSES_NAME);
  const card = cardOf(labelled, fileBeside(CARD_NAME));
  return {
    name: basename(source, extname(source)),
    root,
    labelled,
    findings: [],
    classesTable: classes
      ? parseTable(await classes.read(), CLASSES_NAME)
      : card && (await classNamesOfCard(card)),
  };
}

/** Files on disk; where no row leads to one, those that lie anywhere below the table's folder. */
function lookupNear(table: string): Lookup {
  return async (paths, context) => {
    const found = await lookupOnDisk(table)(paths, context);
    if (found.some(Boolean)) return found;
    const tree = await folderTree(dirname(table), context.signal);
    const split = splitNamed(basename(table, extname(table)));
    return lookupInTree(tree, '')(paths, { split, ...context });
  };
}

function assemble(
  { name, root, unreadable, labelled, findings, classesTable }: Found,
  table = classesTable,
): Dataset {
  const { order } = labelled;
  const { classes, findings: classFindings } = describeClasses(labelled.classIds, table);
  const indexOf = new Map(classes.map(({ id }, i) => [id, i]));
  const examples = labelled.pictures.map(({ file, label, split, group }): Example => {
    const index = label === undefined ? -1 : (indexOf.get(label) ?? -1);
    return {
      id: file.path,
      label: index,
      ...(split && { split }),
      ...(group && { group }),
      ...(file.absolute && { path: file.absolute }),
      read: file.read,
    };
  });
  const found = info('found', `${counts(classes.length, examples)}, read from ${labelled.layout}.`);
  const empty = [...emptyClasses({ classes, examples }), ...absentClasses({ classes, examples })];
  return {
    name,
    root,
    classes,
    ...(order && { order: order.flatMap((id) => indexOf.get(visible(id)) ?? []) }),
    examples,
    ...(unreadable?.length && { unreadable }),
    findings: [found, ...labelled.findings, ...empty, ...findings, ...classFindings],
  };
}

/** `3 classes, 120 pictures (40 train, 80 test)`. */
function counts(classes: number, examples: Example[]): string {
  const bySplit = (['train', 'val', 'test'] as const).flatMap((split) => {
    const n = examples.filter((example) => example.split === split).length;
    return n > 0 ? [`${number(n)} ${split}`] : [];
  });
  const splits = bySplit.length > 0 ? ` (${bySplit.join(', ')})` : '';
  return `${count(classes, 'class', 'classes')}, ${count(examples.length, 'picture')}${splits}`;
}

function emptyClasses({ classes, examples }: Pick<Dataset, 'classes' | 'examples'>): Finding[] {
  const seen = new Set(examples.map(({ label }) => label));
  const empty = classes.filter((_, i) => !seen.has(i)).map(({ id }) => id);
  if (empty.length === 0) return [];
  const n = count(empty.length, 'class has', 'classes have');
  return [warning('empty-class', `${n} no pictures and can be known only by name: ${quoted(empty)}`, empty)];
}

/** Classes that a split holds no picture of; those that cannot be taught are counted where examples are drawn. */
function absentClasses({ classes, examples }: Pick<Dataset, 'classes' | 'examples'>): Finding[] {
  const seen = new Set(examples.map(({ label }) => label));
  const bySplit = groupBy(examples, ({ split }) => split);
  return (['val', 'test'] as const).flatMap((split) => {
    const own = new Set(bySplit.get(split)?.map(({ label }) => label));
    const absent = classes.filter((_, i) => seen.has(i) && !own.has(i)).map(({ id }) => id);
    if (absent.length === 0 || !bySplit.has(split)) return [];
    const n = count(absent.length, 'class has', 'classes have');
    return [info('absent-class', `${n} no pictures in ${split}: ${quoted(absent)}`, absent)];
  });
}

function selectSplit(dataset: Dataset, split?: Split): Dataset {
  if (split === undefined) return dataset;
  const examples = dataset.examples.filter((example) => example.split === split);
  if (examples.length > 0) return { ...dataset, examples };
  const there = [...new Set(dataset.examples.map((example) => example.split ?? 'none'))];
  throw new DataError(`${dataset.root} has no split "${split}" (it has ${there.join(', ')})`, {
    code: 'dataset/no-split',
    hint: 'Put the pictures into train/ and test/ folders, or fill a column split in the table.',
    details: { root: dataset.root, split, there },
  });
}
