import { posix } from 'node:path';
import { DataError } from '../errors.ts';
import { CARD_NAME, dropsLabels } from './card.ts';
import { missingColumn } from './columns.ts';
import type { Layout } from './dataset-layout.ts';
import { warning } from './findings.ts';
import { candidateBases, type FolderPlan, planFolders, readClassFolders } from './folders.ts';
import { recogniseTree, refuseFile, refuseForeign } from './foreign.ts';
import {
  indexesOf,
  knowsNoFolders,
  type OtherTables,
  otherTables,
  readOtherTables,
  refuseContradiction,
  unusedTable,
  withUnusedIndexes,
} from './indexes.ts';
import { columnsAsked } from './read-table.ts';
import { readSplitLists } from './split-lists.ts';
import { oncePerTree, type SourceFile, type Tree } from './tree.ts';
import type { Finding } from './types.ts';

/** The contents of a tree that no file marks as a layout: tables of any name, and folders that may be classes. */
interface Unmarked {
  tables: OtherTables;
  /** The tables that may label the pictures. */
  usable: OtherTables['placed'];
  /** The arrangement of the class folders, or the error that says why they are not classes. */
  plan: FolderPlan | DataError;
  hasClasses: boolean;
}

const unmarkedOf = oncePerTree(async (tree): Promise<Unmarked> => {
  const tables = await otherTables(tree);
  const plan = attempt(() => planFolders(tree));
  // A table whose columns the user named takes precedence over folders.
  const isNamed = columnsAsked(tree).size > 0;
  const hasClasses = !isNamed && !(plan instanceof DataError) && plan.classIds.length > 1;
  const usable = hasClasses ? tables.placed.filter((table) => knowsNoFolders(tree, table)) : tables.placed;
  return { tables, usable, plan, hasClasses };
});

/** A table with any name, if no folders are classes or if it names the pictures without their folders. */
export const tableLayout: Layout = {
  id: 'table',
  about: 'a table of another name with paths and labels, where no folders are classes',
  async read(tree, { signal }) {
    const { usable, hasClasses } = await unmarkedOf(tree, signal);
    const listed = await readOtherTables(tree, { placed: usable }, signal);
    if (!listed) {
      const isMeant = hasClasses || columnsAsked(tree).size > 0;
      if (usable.length > 0 && isMeant) throw missingColumn(usable[0]!.table);
      return undefined;
    }
    return withUnusedIndexes(tree, { ...listed, isListed: true }, signal);
  },
};

/** The same layout, only for trees without an index of the pictures and without class folders. */
export function whereUnmarked(layout: Layout): Layout {
  return {
    ...layout,
    async read(tree, options) {
      const { hasClasses } = await unmarkedOf(tree, options.signal);
      const isMarked = hasClasses || (!tree.table && (await indexesOf(tree, options.signal)).labelled);
      return isMarked ? undefined : layout.read(tree, options);
    },
  };
}

/** Refuses another program's format by its name, if no folders are classes. */
export const foreignData: Layout = {
  id: 'foreign',
  about: 'a layout of another program (refused)',
  async read(tree, { signal }) {
    const { tables, hasClasses } = await unmarkedOf(tree, signal);
    if (hasClasses) return undefined;
    if (tables.problem) throw tables.problem;
    if (tree.table) return refuseFile(tree.table);
    const foreign = await recogniseTree(tree);
    if (foreign) refuseForeign(tree.root, foreign);
    return undefined;
  },
};

/** Class folders, alone or in splits. A table that contradicts them is an error, and any other table is reported as not used. */
export const classFolders: Layout = {
  id: 'folders',
  about: 'a folder for each class, alone, in splits or with splits in it',
  async read(tree, { signal }) {
    const { tables, usable, plan } = await unmarkedOf(tree, signal);
    if (plan instanceof DataError) throw usable.length > 0 ? missingColumn(usable[0]!.table) : plan;
    const { unused } = await indexesOf(tree, signal);
    for (const table of [...unused, ...tables.placed.map((one) => one.table)])
      refuseContradiction(table, plan.classIds);
    const labelled = readClassFolders(tree, plan);
    const lists = await readSplitLists(tree, labelled.pictures);
    const findings = [
      ...labelled.findings,
      ...(lists?.findings ?? []),
      ...tables.placed.map(unusedTable),
      ...(await droppedLabels(tree)),
    ];
    const files = [...tables.placed.map(({ file }) => file), ...(lists?.files ?? [])];
    const { pictures } = lists ?? labelled;
    return withUnusedIndexes(tree, { ...labelled, pictures, findings, files }, signal);
  },
};

/** After an error ended the reading: the tables that were found, with findings about those that do not label the pictures. */
export async function noticedTables(tree: Tree): Promise<{ files: SourceFile[]; findings: Finding[] }> {
  const noticed: { files: SourceFile[]; findings: Finding[] } = { files: [], findings: [] };
  if (tree.table) return noticed;
  const ignore = () => undefined;
  const indexes = await indexesOf(tree).catch(ignore);
  const tables = (await unmarkedOf(tree).catch(ignore))?.tables;
  noticed.files.push(...(indexes?.files ?? []));
  noticed.findings.push(...(indexes?.findings ?? []));
  if (!tables) return noticed;
  noticed.files.push(...tables.placed.map(({ file }) => file));
  noticed.findings.push(...tables.placed.map(unusedTable));
  return noticed;
}

/** Warns that a data set card does not use the folders as classes. */
async function droppedLabels(tree: Tree): Promise<Finding[]> {
  const card = candidateBases(tree)
    .flatMap(({ others }) => others)
    .find(({ path }) => posix.basename(path).toLowerCase() === CARD_NAME);
  if (!card || !(await dropsLabels(card))) return [];
  const message = `${card.path} says drop_labels: true, so the names of the folders may not be classes; they are read as classes.`;
  return [warning('drop-labels', message)];
}

function attempt<T>(make: () => T): T | DataError {
  try {
    return make();
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}
