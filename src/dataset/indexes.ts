import { posix } from 'node:path';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { plural } from '../words.ts';
import { asksBoxes, readBoxTables } from './box-tables.ts';
import { CLASSES_NAME } from './classes.ts';
import { columnsOf, missingColumn, pathColumn } from './columns.ts';
import type { Labelled, Layout } from './dataset-layout.ts';
import { info, quoted, warning } from './findings.ts';
import { candidateBases } from './folders.ts';
import { groupBy } from './groups.ts';
import { readListed } from './listed.ts';
import { lookupElsewhere, lookupInTree, lookupNear } from './lookup.ts';
import { nameKey } from './names.ts';
import { LIST_ENDINGS, readTable } from './read-table.ts';
import { splitNamed, splitWithin } from './splits.ts';
import { TABLE_ENDINGS, type Table } from './text-files.ts';
import { type Folder, oncePerTree, type SourceFile, type Tree } from './tree.ts';
import type { Finding, Split } from './types.ts';

/** Names of tables that list a folder's pictures. Upper and lower case are the same. */
const INDEX_NAMES = ['index', 'metadata'].flatMap((name) => LIST_ENDINGS.map((ending) => name + ending));

/** Whether a file has the name of a table that lists its folder's pictures. */
export function isIndexName(name: string): boolean {
  return INDEX_NAMES.includes(name.toLowerCase());
}

/** A table with the folder it lies in. */
interface Placed {
  file: SourceFile;
  /** '' or ends with `/`. */
  base: string;
  table: Table;
  /** Split of rows that name none. */
  split?: Split;
}

/** The index tables of a tree. */
interface Indexes {
  files: SourceFile[];
  /** Tables without paths and classes. */
  unused: Table[];
  findings: Finding[];
  /** The pictures that the other tables list. */
  labelled?: Labelled;
}

/**
 * Reads the index tables of the data's root, or those of its split folders (Hugging Face's layout). Throws `DataError` if two tables
 * of one folder have paths and classes.
 */
export const indexesOf = oncePerTree(async (tree, signal): Promise<Indexes> => {
  const bases = candidateBases(tree);
  const named = (folder: Folder) => folder.others.filter(({ path }) => isIndexName(posix.basename(path)));
  const top = bases.map(named).find((files) => files.length > 0);
  const inSplits = bases[bases.length - 1]!.folders.filter(({ name }) => splitNamed(name)).flatMap(named);
  const placed: Placed[] = [];
  for (const file of top ?? inSplits) {
    const base = folderOf(file);
    const table = await readTable(tree, file);
    placed.push({ file, base, table, split: splitNamed(posix.basename(base)) });
  }
  const usable = placed.filter(({ table }) => columnsOf(table));
  for (const same of groupBy(usable, ({ base }) => base).values()) refuseSeveral(same);
  const unused = placed.filter((one) => !usable.includes(one)).map(({ table }) => table);
  const bare = unused.find(hasNoHeader);
  if (bare) throw missingColumn(bare);
  const findings = unused.map(withoutLabels);
  const files = placed.map(({ file }) => file);
  if (usable.length === 0) return { files, findings, unused };
  if (top && inSplits.length > 0) {
    const paths = inSplits.map(({ path }) => path);
    findings.push(
      info(
        'index-unused',
        `${quoted(paths)} ${plural(paths.length, 'is', 'are')} not used, because ${usable[0]!.file.path} is used.`,
        paths,
      ),
    );
  }
  return { files, findings, unused, labelled: await readAll(tree, usable, signal) };
});

/** The layout of a table with the name of an index, with paths and labels. */
export const indexLayout: Layout = {
  id: 'index',
  about:
    'a table index.csv or metadata.csv (.tsv, .jsonl, .ndjson, .parquet) in the folder or in those of the splits',
  async read(tree, { signal }) {
    const { labelled } = await indexesOf(tree, signal);
    return labelled && withUnusedIndexes(tree, { ...labelled, isListed: true }, signal);
  },
};

/** The pictures of a tree with findings about its unused index tables. */
export async function withUnusedIndexes(
  tree: Tree,
  labelled: Labelled,
  signal?: AbortSignal,
): Promise<Labelled> {
  const { files, findings } = await indexesOf(tree, signal);
  return {
    ...labelled,
    files: [...files, ...(labelled.files ?? [])],
    findings: [...labelled.findings, ...findings],
  };
}

/** The layout of a table whose own path is given. */
export const givenTable: Layout = {
  id: 'given-table',
  about: 'a table itself, with paths and labels',
  async read(tree, { signal }) {
    const { root, table: file } = tree;
    if (!file || !TABLE_ENDINGS.includes(posix.extname(file.path).toLowerCase())) return undefined;
    const table = await readTable(tree, file);
    const labelled = asksBoxes(tree, [{ table }])
      ? await readBoxTables(tree, [{ file, table }], signal)
      : await readListed([{ table, lookup: lookupElsewhere(lookupNear(root)) }], signal);
    return { ...labelled, isListed: true, files: [file] };
  },
};

/** Tables beside the pictures that have other names. */
export interface OtherTables {
  placed: Placed[];
  /** The reason why one of them cannot be read. */
  problem?: Error;
}

/** The tables in the data's root that are not an index, a table of classes or a program's predictions. */
export async function otherTables(tree: Tree): Promise<OtherTables> {
  const placed: Placed[] = [];
  let problem: Error | undefined;
  const inBases = candidateBases(tree).map(({ others }) => others.filter(isOtherTable));
  for (const file of inBases.find(({ length }) => length > 0) ?? []) {
    try {
      const table = await readTable(tree, file);
      placed.push({ file, base: folderOf(file), table, split: splitOfTable(posix.parse(file.path).name) });
    } catch (error) {
      problem ??= error as Error;
    }
  }
  return { placed, problem };
}

function isOtherTable({ path }: SourceFile): boolean {
  const name = posix.basename(path).toLowerCase();
  if (name === CLASSES_NAME || isIndexName(name) || /submission|prediction/.test(name)) return false;
  return TABLE_ENDINGS.includes(posix.extname(name));
}

/** The split in a table's name. If the name says more than a split, as in `GT-final_test.csv`, it counts where its rows are held out. */
function splitOfTable(name: string): Split | undefined {
  const within = splitWithin(name);
  return splitNamed(name) ?? (within === 'train' ? undefined : within);
}

/**
 * Labels pictures by such tables: those named for a split (`train.csv`), else the only one with paths and classes. Undefined if there
 * is none. Throws `DataError` if there are several.
 */
export async function readOtherTables(
  tree: Tree,
  { placed }: OtherTables,
  signal?: AbortSignal,
): Promise<Labelled | undefined> {
  const usable = placed.filter(({ table }) => columnsOf(table));
  const ofSplits = usable.filter(({ split }) => split);
  const used = ofSplits.length > 0 ? ofSplits : usable;
  if (used.length === 0) return undefined;
  for (const same of groupBy(used, ({ split }) => split).values()) refuseSeveral(same);
  const findings = placed.filter((one) => !usable.includes(one)).map(({ table }) => withoutLabels(table));
  for (const { table } of usable.filter((one) => !used.includes(one))) {
    const message = `${table.name} lists pictures with classes, but is not used, because its name is not that of a known split, unlike ${quoted(used.map((one) => one.table.name))}.`;
    findings.push(warning('index-unused', message));
  }
  const labelled = await readAll(tree, used, signal);
  return {
    ...labelled,
    files: placed.map(({ file }) => file),
    findings: [...labelled.findings, ...findings],
  };
}

/**
 * Whether a table names most of a tree's pictures without a folder. The folders then say where the pictures are stored, not what they
 * show.
 */
export function knowsNoFolders(tree: Tree, { table }: Placed): boolean {
  const column = pathColumn(table);
  if (column === undefined) return false;
  const names = new Set(table.rows.map((row) => row[column]));
  const pictures = tree.files.filter(({ path }) => isImagePath(path));
  const listed = pictures.filter(({ path }) => {
    const { base, name } = posix.parse(path);
    return names.has(base) || names.has(name);
  });
  return 2 * listed.length > pictures.length;
}

/** Reports that a table is not used. */
export function unusedTable({ table }: Placed): Finding {
  const how = `rename it to index${posix.extname(table.name)} to use it instead of the folders`;
  return columnsOf(table)
    ? warning('index-unused', `${table.name} lists pictures with classes, but is not used; ${how}.`)
    : withoutLabels(table);
}

function withoutLabels(table: Table): Finding {
  const columns = quoted([...table.written.values()]);
  const message = `${table.name} is not used, because it has no columns path and label (it has ${columns}).`;
  // A table that does not list pictures needs no warning.
  const isAboutPictures = hasNoHeader(table) || pathColumn(table) !== undefined;
  return (isAboutPictures ? warning : info)('index-unused', message);
}

/** Whether the first line of a table holds a picture instead of the names of the columns. */
function hasNoHeader({ written }: Table): boolean {
  return [...written.values()].some(isImagePath);
}

/**
 * Throws `DataError` if an unused table gives a picture in a class folder the class of another folder.
 */
export function refuseContradiction(table: Table, classIds: readonly string[]): void {
  const path = pathColumn(table);
  if (path === undefined) return;
  const ids = new Map(classIds.map((id) => [nameKey(id), id]));
  const columns = table.columns.filter((column) => column !== path);
  for (const row of table.rows) {
    const folders = (row[path] ?? '').split(/[\\/]/).slice(0, -1);
    const folder = folders.reverse().find((name) => ids.has(nameKey(name)));
    if (folder === undefined) continue;
    const values = columns.map((column) => nameKey(row[column] ?? '')).filter((value) => ids.has(value));
    if (values.length === 0 || values.includes(nameKey(folder))) continue;
    throw new DataError(
      `${table.name} contradicts the folders: it labels ${row[path]} "${ids.get(values[0]!)}", and the folder is "${folder}"`,
      {
        code: 'dataset/contradiction',
        hint: 'To use the table, name its columns path and label and call it index.csv; to use the folders, remove it.',
        details: { path: table.name, picture: row[path] },
      },
    );
  }
}

function refuseSeveral(placed: readonly Placed[]): void {
  if (placed.length < 2) return;
  const paths = placed.map(({ file }) => file.path);
  throw new DataError(`There are several tables of the same pictures: ${quoted(paths)}`, {
    code: 'dataset/several-tables',
    hint: 'Remove or rename all but one, or give the path of one instead of the folder.',
    details: { paths },
  });
}

function readAll(tree: Tree, placed: readonly Placed[], signal?: AbortSignal): Promise<Labelled> {
  if (asksBoxes(tree, placed)) return readBoxTables(tree, placed, signal);
  const tables = placed.map(({ base, ...rest }) => ({
    ...rest,
    lookup: lookupElsewhere(lookupInTree(tree, base)),
  }));
  return readListed(tables, signal);
}

const folderOf = ({ path }: SourceFile) => path.slice(0, path.lastIndexOf('/') + 1);
