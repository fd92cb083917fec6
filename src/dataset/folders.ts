import { DataError } from '../errors.ts';
import { isImagePath } from '../image/names.ts';
import type { SourceFile, Tree } from './source.ts';
import type { Finding, Split } from './types.ts';
import { count, info, quoted, warning } from './wording.ts';

/** A picture with what the source says about it; `label` is a class id, absent when unlabelled. */
export interface LabelledFile {
  file: SourceFile;
  label?: string;
  split?: Split;
  group?: string;
}

/** What a layout gives: pictures, class ids (those without pictures included), and the layout in words. */
export interface Labelled {
  pictures: LabelledFile[];
  classIds: string[];
  layout: string;
  findings: Finding[];
}

export const LAYOUT_HINT = `Expected one of:
  photos/cat/1.jpg, photos/dog/2.jpg                    a folder for each class
  photos/train/cat/1.jpg, photos/test/cat/2.jpg         the same inside train, val and test
  photos/index.csv with the columns path,label          or split and group too; .jsonl as well
  photos.zip                                            any of these, zipped`;

const SPLIT_NAMES = new Map<string, Split>([
  ['train', 'train'],
  ['val', 'val'],
  ['valid', 'val'],
  ['validation', 'val'],
  ['test', 'test'],
]);

/** The split a folder name or a table's value stands for. */
export function splitNamed(name: string): Split | undefined {
  return SPLIT_NAMES.get(name.trim().toLowerCase());
}

interface Picture {
  file: SourceFile;
  /** Folders from the base down, then the file name. */
  parts: string[];
}

/**
 * The folders that may hold the data: the root, and, as long as a level has nothing but one folder, the next one down
 * (archives often wrap all they hold in one folder). Each is '' or ends with `/`.
 */
export function candidateBases(tree: Tree): string[] {
  const bases = [''];
  for (;;) {
    const base = bases[bases.length - 1];
    const tops = childFolders(tree, base);
    if (tops.length !== 1 || picturesIn(tree, base).some(({ parts }) => parts.length === 1)) return bases;
    bases.push(`${base}${tops[0]}/`);
  }
}

/** Reads `<class>/*` and `{train,val,test}/<class>/*`. Throws `DataError` when the pictures lie otherwise. */
export function readClassFolders(tree: Tree): Labelled {
  const base = classBase(tree);
  const pictures = picturesIn(tree, base);
  if (pictures.length === 0 && childFolders(tree, base).length === 0) throw noPictures(tree);
  const labelled = hasSplitFolders(tree, base, pictures)
    ? readSplitFolders(tree, base, pictures)
    : readPlainFolders(childFolders(tree, base).map(nfc), pictures);
  if (labelled.pictures.length === 0) throw noPictures(tree);
  if (base !== '') {
    labelled.findings.unshift(
      info('wrapped', `All pictures lie in ${base}: the classes are its sub-folders.`),
    );
  }
  return labelled;
}

/** A sole folder is a wrapper, not a class, when it has sub-folders and no pictures of its own. */
function classBase(tree: Tree): string {
  const bases = candidateBases(tree);
  let base = bases[0];
  for (const next of bases.slice(1)) {
    const pictures = picturesIn(tree, next);
    const name = next.slice(base.length, -1);
    const deeper = new Set(pictures.filter(({ parts }) => parts.length > 1).map(({ parts }) => parts[0]));
    const splitsOfOneClass =
      [...deeper].every(splitNamed) && pictures.every(({ parts }) => parts.length === 2);
    if (splitNamed(name) || deeper.size === 0 || splitsOfOneClass) break;
    if (pictures.some(({ parts }) => parts.length === 1)) break;
    base = next;
  }
  return base;
}

/** Whether the folders of this level are splits. A class may be called "train": then its pictures lie directly in it. */
function hasSplitFolders(tree: Tree, base: string, pictures: Picture[]): boolean {
  const tops = [...new Set(pictures.filter(({ parts }) => parts.length > 1).map(({ parts }) => parts[0]))];
  const splits = tops.filter((top) => splitNamed(top));
  const withClasses = splits.filter((top) =>
    pictures.some(({ parts }) => parts[0] === top && parts.length > 2),
  );
  const others = tops.filter((top) => !splitNamed(top));
  if (splits.length > 0 && others.length === 0 && withClasses.length === 0) {
    throw new DataError(`The pictures lie directly in ${quoted(splits)} of ${tree.root}: no class folders`, {
      code: 'dataset/no-classes',
      hint: LAYOUT_HINT,
      details: { root: tree.root, folders: splits },
    });
  }
  const looksSplit = withClasses.filter(
    (top) => !pictures.some(({ parts }) => parts[0] === top && parts.length === 2),
  );
  if (others.length === 0) return withClasses.length > 0;
  if (looksSplit.length === 0) return false;
  if (looksSplit.length > 1) return true;
  throw new DataError(
    `${tree.root}/${base} is ambiguous: "${looksSplit[0]}" looks like a split, ${quoted(others)} like classes`,
    {
      code: 'dataset/ambiguous-layout',
      hint: `Name one folder (for example ${tree.root}/${base}${looksSplit[0]}), or move the pictures so that all folders are splits or all are classes.`,
      details: { root: tree.root, splits: looksSplit, others },
    },
  );
}

function readSplitFolders(tree: Tree, base: string, pictures: Picture[]): Labelled {
  const splits = childFolders(tree, base).filter(splitNamed);
  const labelled: LabelledFile[] = [];
  const outside: string[] = [];
  const unlabelled: string[] = [];
  const nested: string[] = [];
  for (const { file, parts } of pictures) {
    const split = parts.length > 1 ? splitNamed(parts[0]) : undefined;
    if (!split) {
      outside.push(file.path);
      continue;
    }
    if (parts.length === 2) unlabelled.push(file.path);
    if (parts.length > 3) nested.push(file.path);
    labelled.push({ file, split, ...(parts.length > 2 && { label: parts[1] }) });
  }
  const findings = layoutFindings(outside, nested);
  if (unlabelled.length > 0) {
    const pictures = count(unlabelled.length, 'picture lies', 'pictures lie');
    findings.push(
      warning('unlabelled', `${pictures} outside the class folders of a split: no label.`, unlabelled),
    );
  }
  return {
    pictures: labelled,
    classIds: splits.flatMap((split) => childFolders(tree, `${base}${split}/`)),
    layout: `<split>/<class>/ folders (${splits.join(', ')})`,
    findings,
  };
}

function readPlainFolders(classes: string[], pictures: Picture[]): Labelled {
  const known = new Set(classes);
  const labelled: LabelledFile[] = [];
  const outside: string[] = [];
  const nested: string[] = [];
  const ambiguous: string[] = [];
  let splits = false;
  for (const { file, parts } of pictures) {
    const [label, below] = parts;
    const split = parts.length > 2 ? splitNamed(below) : undefined;
    if (parts.length === 1) outside.push(file.path);
    else if (parts.length > 2 && below !== label && known.has(below)) ambiguous.push(file.path);
    else {
      if (parts.length > 2 && !split) nested.push(file.path);
      splits ||= split !== undefined;
      labelled.push({ file, label, ...(split && { split }) });
    }
  }
  const findings = layoutFindings(outside, nested);
  if (ambiguous.length > 0) {
    const what = count(ambiguous.length, 'picture lies', 'pictures lie');
    findings.push(
      warning('ambiguous-class', `${what} in a class folder inside another class: left out.`, ambiguous),
    );
  }
  return {
    pictures: labelled,
    classIds: classes,
    layout: splits ? '<class>/<split>/ folders' : '<class>/ folders',
    findings,
  };
}

function layoutFindings(outside: string[], nested: string[]): Finding[] {
  const findings: Finding[] = [];
  if (outside.length > 0) {
    const pictures = count(outside.length, 'picture lies', 'pictures lie');
    findings.push(warning('outside-classes', `${pictures} outside the class folders: left out.`, outside));
  }
  if (nested.length > 0) {
    const pictures = count(nested.length, 'picture lies', 'pictures lie');
    findings.push(
      warning(
        'nested',
        `${pictures} in sub-folders of a class folder: the class is the outer folder.`,
        nested,
      ),
    );
  }
  return findings;
}

function picturesIn(tree: Tree, base: string): Picture[] {
  return tree.files
    .filter(({ path }) => path.startsWith(base) && isImagePath(path))
    .map((file) => ({ file, parts: nfc(file.path.slice(base.length)).split('/') }));
}

/** Names, as they are on disk, of the folders directly below a base. */
export function childFolders(tree: Tree, base: string): string[] {
  return tree.folders
    .filter((path) => path.startsWith(base) && !path.slice(base.length).includes('/'))
    .map((path) => path.slice(base.length));
}

function nfc(text: string): string {
  return text.normalize('NFC');
}

function noPictures(tree: Tree): DataError {
  return new DataError(`No labelled pictures found in ${tree.root} (${count(tree.files.length, 'file')})`, {
    code: 'dataset/empty',
    hint: LAYOUT_HINT,
    details: { root: tree.root, files: tree.files.length },
  });
}
