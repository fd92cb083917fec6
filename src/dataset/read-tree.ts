import { posix } from 'node:path';
import { giveWay } from '../abort.ts';
import { CARD_NAME, cardOf, classNamesOfCard } from './dataset-card.ts';
import type { Labelled } from './dataset-layout.ts';
import { candidateBases } from './folders.ts';
import { CLASSES_NAME } from './indexes.ts';
import { parseTable, type Table, tableOf } from './text-files.ts';
import { readLayout } from './layouts.ts';
import type { Folder, SourceFile, Tree } from './tree.ts';
import type { Finding } from './types.ts';
import { unusedFiles } from './unused-files.ts';

/** Labelled pictures of a source, before they are numbered. */
export interface Found {
  name: string;
  root: string;
  labelled: Labelled;
  findings: Finding[];
  unreadable?: readonly string[];
  classesTable?: Table;
}

/** Reads the labelled pictures of a folder or an archive. Throws `DataError` where it holds none, or where no layout fits. */
export async function readTree(tree: Tree, signal?: AbortSignal): Promise<Found> {
  await giveWay(signal);
  const labelled = await readLayout(tree, signal);
  await giveWay(signal);
  const bases = candidateBases(tree);
  // A file that the layout has read is the layout's own.
  const beside = (name: string) => fileIn(bases, name, labelled.files);
  const classesFile = beside(CLASSES_NAME);
  const card = cardOf(labelled, beside(CARD_NAME));
  const findings = [...tree.findings, ...unusedFiles(tree, labelled, [classesFile, card])];
  const classesTable = classesFile
    ? parseTable(await classesFile.read(), classesFile.path)
    : (namesTable(labelled) ?? (card && (await classNamesOfCard(card))));
  const { name, root, unreadable } = tree;
  return { name, root, unreadable, labelled, findings, classesTable };
}

/** The names that a layout gives its classes. */
function namesTable({ layout, names }: Labelled): Table | undefined {
  return (
    names &&
    tableOf(
      layout,
      [...names].map(([id, name]) => ({ id, name })),
    )
  );
}

/** The first file of that name, in any case, in the first of the folders that has one, but for those that are taken. */
function fileIn(
  folders: readonly Folder[],
  wanted: string,
  taken: readonly SourceFile[] = [],
): SourceFile | undefined {
  const files = folders.flatMap(({ others }) => others);
  return files.find((file) => posix.basename(file.path).toLowerCase() === wanted && !taken.includes(file));
}
