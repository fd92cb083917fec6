import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, posix, resolve } from 'node:path';
import { DataError, systemCode } from '../errors.ts';
import { isImagePath } from '../image/names.ts';
import { describeClasses } from './classes.ts';
import { marksCoopData, readCoop } from './coop.ts';
import {
  candidateBases,
  childFolders,
  LAYOUT_HINT,
  type Labelled,
  readClassFolders,
  splitNamed,
} from './folders.ts';
import { groupBy } from './groups.ts';
import { hasLabels, lookupInTree, lookupOnDisk, readListed } from './listed.ts';
import { naturalOrder } from './order.ts';
import { diskFile, folderTree, type SourceFile, type Tree, zipTree } from './source.ts';
import { parseTable, TABLE_ENDINGS, type Table } from './table.ts';
import type { Dataset, Example, Finding, Split } from './types.ts';
import { count, info, quoted, warning } from './wording.ts';

export interface ReadOptions {
  /** Keep the examples of this split only (all classes stay). */
  split?: Split;
  /** Path of a classes.csv; default: the one in the root of the data, if there. */
  classes?: string;
  signal?: AbortSignal;
}

/** Tables that list a folder's pictures. */
export const INDEX_NAMES = ['index.csv', 'index.jsonl', 'metadata.csv', 'metadata.jsonl'];
const CLASSES_NAME = 'classes.csv';

/**
 * Reads labelled pictures: `<class>/*`, `{train,val,test}/<class>/*`, a folder with an index.csv or metadata.csv (or .jsonl),
 * such a table itself, CoOp's layouts, or a zip of any of these. Pictures are listed, not opened. Throws `DataError` when
 * `source` is missing, empty or laid out otherwise; what is merely odd is in `findings`.
 */
export async function readDataset(source: string, options: ReadOptions = {}): Promise<Dataset> {
  const found = await read(source, options.signal);
  const classesTable = options.classes
    ? parseTable(await diskFile(options.classes, options.classes).read(), options.classes)
    : found.classesTable;
  return selectSplit(assemble(found, classesTable), options.split);
}

interface Found {
  name: string;
  root: string;
  labelled: Labelled;
  findings: Finding[];
  /** Class ids as the source numbers them. */
  order?: readonly string[];
  classesTable?: Table;
}

async function read(source: string, signal?: AbortSignal): Promise<Found> {
  const stats = await stat(source).catch((cause) => {
    const missing = systemCode(cause) === 'ENOENT';
    const what = missing
      ? `There is no file or folder ${source}`
      : `${source} cannot be opened (${systemCode(cause)})`;
    throw new DataError(what, {
      code: 'dataset/missing',
      hint: LAYOUT_HINT,
      details: { path: source },
      cause,
    });
  });
  if (stats.isDirectory()) return readTree(await folderTree(source, signal), signal);
  const ending = extname(source).toLowerCase();
  if (ending === '.zip') return readTree(await zipTree(source), signal);
  if (TABLE_ENDINGS.includes(ending)) return readTableFile(source, signal);
  const kind = isImagePath(source) ? 'a single picture' : 'neither a folder, a table nor a zip archive';
  throw new DataError(`${source} is ${kind}, not a data set`, {
    code: 'dataset/kind',
    hint: LAYOUT_HINT,
    details: { path: source },
  });
}

async function readTableFile(source: string, signal?: AbortSignal): Promise<Found> {
  const root = resolve(source);
  const table = parseTable(await diskFile(source, root).read(), basename(source));
  const beside = join(dirname(root), CLASSES_NAME);
  const isThere = await stat(beside).then(
    (found) => found.isFile() && beside !== root,
    () => false,
  );
  return {
    name: basename(source, extname(source)),
    root,
    labelled: await readListed(table, lookupOnDisk(root), { signal }),
    findings: [],
    classesTable: isThere ? parseTable(await diskFile(CLASSES_NAME, beside).read(), CLASSES_NAME) : undefined,
  };
}

async function readTree(tree: Tree, signal?: AbortSignal): Promise<Found> {
  tree.files.sort((a, b) => naturalOrder(a.path, b.path));
  const bases = candidateBases(tree);
  const listed = await readIndexes(tree, bases, signal);
  const coop = listed.labelled ? undefined : await readCoop(tree, bases, signal);
  if (listed.files.length === 0 && !coop) refuseSeveral(tree, bases[bases.length - 1]);
  const labelled = listed.labelled ?? coop?.labelled ?? readClassFolders(tree);
  const used = [...listed.files, ...(coop?.files ?? [])];
  const classesFile = fileIn(tree, bases, [CLASSES_NAME])?.file;
  const notImages = tree.files.filter(
    (file) => !isImagePath(file.path) && file !== classesFile && !used.includes(file),
  );
  const findings = [...tree.findings, ...listed.findings];
  if (notImages.length > 0) {
    const files = count(notImages.length, 'file is no picture', 'files are no pictures');
    findings.push(
      info(
        'not-images',
        `${files}: left out.`,
        notImages.map(({ path }) => path),
      ),
    );
  }
  if (listed.labelled ?? coop?.listed) findings.push(...unlisted(tree, labelled));
  const classesTable = classesFile ? parseTable(await classesFile.read(), classesFile.path) : coop?.classes;
  const { order } = coop ?? {};
  return { name: tree.name, root: tree.root, labelled, findings, order, classesTable };
}

/** Folders that are data sets themselves, each with its table, would be mistaken for classes. */
function refuseSeveral(tree: Tree, base: string): void {
  const marked = new Set(
    tree.files
      .filter(({ path }) => marksCoopData(posix.basename(path)))
      .map(({ path }) => posix.dirname(path)),
  );
  const inner = childFolders(tree, base).filter(
    (name) => marked.has(base + name) || fileIn(tree, [`${base}${name}/`], INDEX_NAMES),
  );
  if (inner.length === 0) return;
  throw new DataError(`${tree.root} holds data sets of their own: ${quoted(inner)}`, {
    code: 'dataset/several',
    hint: `Name one of them, for example ${tree.root}/${base}${inner[0]}`,
    details: { root: tree.root, folders: inner },
  });
}

interface Indexes {
  /** Absent when there is no table with labels. */
  labelled?: Labelled;
  files: SourceFile[];
  findings: Finding[];
}

/** The index table of the data's root, or those of its split folders (as Hugging Face lays them out). */
async function readIndexes(tree: Tree, bases: string[], signal?: AbortSignal): Promise<Indexes> {
  const base = bases[bases.length - 1];
  const top = fileIn(tree, bases, INDEX_NAMES);
  const splitFolders = childFolders(tree, base).filter(splitNamed);
  const places = top
    ? [top]
    : splitFolders.flatMap((name) => fileIn(tree, [`${base}${name}/`], INDEX_NAMES) ?? []);
  const parts: Labelled[] = [];
  const findings: Finding[] = [];
  for (const place of places) {
    const table = parseTable(await place.file.read(), place.file.path);
    if (hasLabels(table)) {
      const split = splitNamed(place.base.split('/').at(-2) ?? '');
      parts.push(await readListed(table, lookupInTree(tree, place.base), { split, signal }));
    } else {
      const columns = quoted(table.columns);
      findings.push(
        info('index-unused', `${table.name} has no columns path and label (but ${columns}): not used.`),
      );
    }
  }
  const files = places.map(({ file }) => file);
  if (parts.length === 0) return { files, findings };
  const labelled: Labelled = {
    pictures: parts.flatMap((part) => part.pictures),
    classIds: parts.flatMap((part) => part.classIds),
    layout: parts.map(({ layout }) => layout).join(', '),
    findings: parts.flatMap((part) => part.findings),
  };
  return { labelled, files, findings };
}

/** The first file of that name in the first of the folders that has one. */
function fileIn(
  tree: Tree,
  bases: string[],
  names: string[],
): { file: SourceFile; base: string } | undefined {
  for (const base of bases) {
    for (const name of names) {
      const file = tree.files.find(({ path }) => path === base + name);
      if (file) return { file, base };
    }
  }
  return undefined;
}

function unlisted(tree: Tree, { pictures }: Labelled): Finding[] {
  const listed = new Set(pictures.map(({ file }) => file));
  const paths = tree.files
    .filter((file) => isImagePath(file.path) && !listed.has(file))
    .map(({ path }) => path);
  if (paths.length === 0) return [];
  const n = count(paths.length, 'picture is', 'pictures are');
  return [info('unlisted', `${n} in the folder, but not used from the table: left out.`, paths)];
}

function assemble(
  { name, root, labelled, findings, order, classesTable }: Found,
  table = classesTable,
): Dataset {
  const { classes, findings: classFindings } = describeClasses(labelled.classIds, table);
  const indexOf = new Map(classes.map(({ id }, i) => [id, i]));
  const examples = labelled.pictures.map(({ file, label, split, group }): Example => {
    const index = label === undefined ? -1 : (indexOf.get(label.normalize('NFC')) ?? -1);
    return {
      id: file.path,
      label: index,
      ...(split && { split }),
      ...(group && { group }),
      ...(file.absolute && { path: file.absolute }),
      read: file.read,
    };
  });
  const found = info('found', `${counts(classes.length, examples)}: read from ${labelled.layout}.`);
  const empty = [...emptyClasses({ classes, examples }), ...absentClasses({ classes, examples })];
  return {
    name,
    root,
    classes,
    ...(order && { order: order.flatMap((id) => indexOf.get(id.normalize('NFC')) ?? []) }),
    examples,
    findings: [found, ...labelled.findings, ...empty, ...findings, ...classFindings],
  };
}

/** `3 classes, 120 pictures (40 train, 80 test)`. */
function counts(classes: number, examples: Example[]): string {
  const bySplit = (['train', 'val', 'test'] as const).flatMap((split) => {
    const n = examples.filter((example) => example.split === split).length;
    return n > 0 ? [`${n} ${split}`] : [];
  });
  const splits = bySplit.length > 0 ? ` (${bySplit.join(', ')})` : '';
  return `${count(classes, 'class', 'classes')}, ${count(examples.length, 'picture')}${splits}`;
}

function emptyClasses({ classes, examples }: Pick<Dataset, 'classes' | 'examples'>): Finding[] {
  const seen = new Set(examples.map(({ label }) => label));
  const empty = classes.filter((_, i) => !seen.has(i)).map(({ id }) => id);
  if (empty.length === 0) return [];
  const n = count(empty.length, 'class has', 'classes have');
  return [warning('empty-class', `${n} no pictures and can only be known by name: ${quoted(empty)}`, empty)];
}

/** Classes that a split cannot judge by; those that cannot be taught are counted where examples are drawn. */
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
  throw new DataError(`${dataset.root} has no split "${split}" (it has: ${there.join(', ')})`, {
    code: 'dataset/no-split',
    hint: 'Put the pictures into train/ and test/ folders, or fill a column split in the table.',
    details: { root: dataset.root, split, there },
  });
}
