import { posix } from 'node:path';
import { DataError } from '../errors.ts';
import { isImagePath, isOtherPicture } from '../image/names.ts';
import { count } from '../words.ts';
import { missingColumn } from './columns.ts';
import { marksCoopData, readCoop } from './coop.ts';
import { CARD_NAME, cardOf, classNamesOfCard } from './dataset-card.ts';
import { candidateBases, type Labelled, planFolders, readClassFolders } from './folders.ts';
import { recogniseTree, refuseForeign } from './foreign.ts';
import {
  CLASSES_NAME,
  type Indexes,
  isIndexName,
  knowsNoFolders,
  otherTables,
  readIndexes,
  readOtherTables,
  refuseContradiction,
  unusedTable,
} from './indexes.ts';
import { hiddenFindings } from './source.ts';
import { parseTable, type Table } from './table.ts';
import type { Folder, SourceFile, Tree } from './tree.ts';
import type { Finding } from './types.ts';
import { info, quoted, warning } from './wording.ts';

/** Labelled pictures of a source, before they are numbered. */
export interface Found {
  name: string;
  root: string;
  labelled: Labelled;
  findings: Finding[];
  /** Class ids as the source numbers them. */
  order?: readonly string[];
  classesTable?: Table;
}

/** Reads the labelled pictures of a folder or an archive. Throws `DataError` where it holds none, or what they are cannot be told. */
export async function readTree(tree: Tree, signal?: AbortSignal): Promise<Found> {
  const bases = candidateBases(tree);
  const indexes = await readIndexes(tree, bases, signal);
  const coop = indexes.labelled ? undefined : await readCoop(tree, bases, signal);
  if (indexes.files.length === 0 && !coop) refuseSets(tree, bases);
  const unmarked =
    indexes.labelled || coop ? undefined : await readUnmarked(tree, bases, indexes.unused, signal);
  const labelled = (indexes.labelled ?? coop?.labelled ?? unmarked?.labelled) as Labelled;
  const isListed = Boolean(indexes.labelled ?? coop?.listed ?? unmarked?.isListed);
  const classesFile = fileIn(bases, CLASSES_NAME);
  const card = cardOf(labelled, fileIn(bases, CARD_NAME));
  const used = [...indexes.files, ...(coop?.files ?? []), ...(unmarked?.files ?? []), classesFile, card];
  const findings = [
    ...tree.findings,
    ...indexes.findings,
    ...(unmarked?.findings ?? []),
    ...leftOut(tree, labelled, { used, isListed }),
  ];
  const classesTable = classesFile
    ? parseTable(await classesFile.read(), classesFile.path)
    : (coop?.classes ?? (card && (await classNamesOfCard(card))));
  return { name: tree.name, root: tree.root, labelled, findings, order: coop?.order, classesTable };
}

interface Unmarked extends Indexes {
  /** Whether pictures are listed, so that others in the folder are no part of it. */
  isListed: boolean;
}

/**
 * Reads data that no file marks: class folders, or a table of any name where there are none. Throws `DataError` where neither is
 * there, where a table contradicts the folders, and for what another program wrote, which is named. `unused` are index tables without
 * paths and classes.
 */
async function readUnmarked(
  tree: Tree,
  bases: readonly Folder[],
  unused: readonly Table[],
  signal?: AbortSignal,
): Promise<Unmarked> {
  const tables = await otherTables(bases);
  const plan = attempt(() => planFolders(tree));
  const hasClasses = !(plan instanceof DataError) && plan.classIds.length > 1;
  const flat = hasClasses ? tables.placed.filter((table) => knowsNoFolders(tree, table)) : tables.placed;
  const listed = await readOtherTables(tree, { placed: flat }, signal);
  if (listed) return { ...listed, isListed: true };
  if (flat.length > 0 && hasClasses) throw missingColumn(flat[0].table);
  if (!hasClasses) {
    if (tables.problem) throw tables.problem;
    const foreign = await recogniseTree(
      tree,
      tables.placed.map(({ table }) => table),
    );
    if (foreign) refuseForeign(tree.root, foreign);
  }
  if (plan instanceof DataError) throw flat.length > 0 ? missingColumn(flat[0].table) : plan;
  for (const table of [...unused, ...tables.placed.map((one) => one.table)])
    refuseContradiction(table, plan.classIds);
  return {
    labelled: readClassFolders(tree, plan),
    files: tables.placed.map(({ file }) => file),
    findings: tables.placed.map(unusedTable),
    isListed: false,
  };
}

function attempt<T>(make: () => T): T | DataError {
  try {
    return make();
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}
/** Folders that are data sets themselves, each with its table, would be mistaken for classes. */
function refuseSets(tree: Tree, bases: readonly Folder[]): void {
  const isMark = ({ path }: SourceFile) =>
    marksCoopData(posix.basename(path)) || isIndexName(posix.basename(path));
  const inner = bases.flatMap(({ folders }) => folders.filter(({ others }) => others.some(isMark)));
  if (inner.length === 0) return;
  const names = inner.map(({ name }) => name);
  throw new DataError(`${tree.root} holds several data sets: ${quoted(names)}`, {
    code: 'dataset/several',
    hint: `Give one of them, for example ${tree.root}/${inner[0].path.slice(0, -1)}.`,
    details: { root: tree.root, folders: names },
  });
}

/** The first file of that name, in any case, in the first of the folders that has one. */
function fileIn(folders: readonly Folder[], wanted: string): SourceFile | undefined {
  const files = folders.flatMap(({ others }) => others);
  return files.find(({ path }) => posix.basename(path).toLowerCase() === wanted);
}

/** What is in a tree and neither a picture that is used nor a file that was read. */
function leftOut(
  tree: Tree,
  { pictures }: Labelled,
  { used, isListed }: { used: readonly (SourceFile | undefined)[]; isListed: boolean },
): Finding[] {
  const known = new Set([...used, ...pictures.map(({ file }) => file)]);
  const findings: Finding[] = [];
  const rest = tree.files.filter((file) => !known.has(file));
  const say = (tell: typeof info, code: string, files: readonly SourceFile[], one: string, many: string) => {
    if (files.length === 0) return;
    const message = `${count(files.length, one, many)}.`;
    const paths = files.map(({ path }) => path);
    findings.push(tell(code, message, paths));
  };
  const notes = rest.filter(({ path }) => !isImagePath(path));
  const unread = notes.filter(({ path }) => isOtherPicture(path));
  say(
    warning,
    'unread-formats',
    unread,
    'picture is left out, because its format is not supported',
    'pictures are left out, because their formats are not supported',
  );
  say(
    info,
    'not-images',
    notes.filter((file) => !unread.includes(file)),
    'file is left out, because it is not a picture',
    'files are left out, because they are not pictures',
  );
  if (isListed) {
    say(
      info,
      'unlisted',
      rest.filter(({ path }) => isImagePath(path)),
      'picture in the folder is left out, because the table does not use it',
      'pictures in the folder are left out, because the table does not use them',
    );
  }
  findings.push(...hiddenFindings(tree.hidden.filter((file) => !known.has(file))));
  return findings;
}
