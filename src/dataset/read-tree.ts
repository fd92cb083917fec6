import { posix } from 'node:path';
import { isImagePath, isOtherPicture } from '../image/image-paths.ts';
import { count } from '../words.ts';
import { CARD_NAME, cardOf, classNamesOfCard } from './dataset-card.ts';
import { candidateBases } from './folders.ts';
import { CLASSES_NAME } from './indexes.ts';
import type { Labelled } from './layout.ts';
import { readLayout } from './layouts.ts';
import { hiddenFindings } from './source.ts';
import { parseTable, type Table, tableOf } from './table.ts';
import type { Folder, SourceFile, Tree } from './tree.ts';
import type { Finding } from './types.ts';
import { info, warning } from './wording.ts';

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
  const labelled = await readLayout(tree, signal);
  const bases = candidateBases(tree);
  // A file that the layout has read is the layout's own.
  const beside = (name: string) => fileIn(bases, name, labelled.files);
  const classesFile = beside(CLASSES_NAME);
  const card = cardOf(labelled, beside(CARD_NAME));
  const findings = [...tree.findings, ...leftOut(tree, labelled, [classesFile, card])];
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

/** What is in a tree and neither a picture that is used nor a file that was read. */
function leftOut(
  tree: Tree,
  { pictures, files = [], isListed }: Labelled,
  others: readonly (SourceFile | undefined)[],
): Finding[] {
  const known = new Set([...others, ...files, ...pictures.map(({ file }) => file)]);
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
