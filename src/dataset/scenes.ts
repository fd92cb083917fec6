import { posix } from 'node:path';
import { isImagePath } from '../image/image-paths.ts';
import { count } from '../words.ts';
import type { LabelledFile, Layout } from './dataset-layout.ts';
import { info, quoted, warning } from './findings.ts';
import { type ListedSplits, readSplitLists } from './split-lists.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** Lists of the classes as paths of folders: `/b/bow_window/indoor`, in Places365 with the number of the class behind it. */
const LISTS = /^(classname|categories_places365)\.txt$/i;

/** Lists of pictures with the numbers of their classes: `Places365_val_00000001.jpg 165`. */
const NUMBERED = /^places365_val\.txt$/i;

/**
 * SUN397 and Places365: class folders below a folder for each initial, `a/abbey/` and `b/bow_window/indoor/`. Classes are named as in CoOp's
 * split of SUN397: "indoor bow_window".
 */
export const scenesLayout: Layout = {
  id: 'scenes',
  about: 'SUN397 and Places365: ClassName.txt or categories_places365.txt with the folders of the classes',
  async read(tree) {
    const named = (pattern: RegExp) => tree.files.find(({ path }) => pattern.test(posix.basename(path)));
    const list = tree.table ? undefined : named(LISTS);
    const listed = list && (await classesIn(list));
    if (!list || !listed) return undefined;
    const classes = new Map(listed.map(({ folder, id }) => [folder, id]));
    const idOf = new Map(listed.map(({ number, id }) => [number, id]));
    const ids = listed.map(({ id }) => id);
    const numbered = named(NUMBERED);
    const numbers = new Map(
      numbered && (await linesOf(numbered)).map((line) => line.split(/\s+/) as [string, string]),
    );
    const all = tree.files.filter(({ path }) => isImagePath(path));
    const pictures = all.flatMap((file): LabelledFile[] => {
      const label = labelOf(file.path, classes) ?? idOf.get(Number(numbers.get(posix.basename(file.path))));
      return label === undefined ? [] : [{ file, label }];
    });
    if (pictures.length === 0) return undefined;
    const lists = (await readSplitLists(tree, pictures)) ?? splitByNumbered(pictures, classes, numbered);
    const out = all.length - pictures.length;
    const reason = `${count(out, 'picture is', 'pictures are')} left out, because ${list.path} does not list the folder.`;
    return {
      pictures: lists?.pictures ?? pictures,
      layout: `the folders of ${list.path}`,
      classIds: ids,
      order: ids,
      files: [list, ...(numbered ? [numbered] : []), ...(lists?.files ?? [])],
      findings: [...(lists?.findings ?? []), ...(out > 0 ? [warning('outside-classes', reason)] : [])],
    };
  },
};

/** Without other lists, pictures with a label of the numbered list are for validation, and the others are for training. */
function splitByNumbered(
  pictures: readonly LabelledFile[],
  classes: ReadonlyMap<string, string>,
  numbered: SourceFile | undefined,
): ListedSplits | undefined {
  const isNumbered = ({ file }: LabelledFile) => labelOf(file.path, classes) === undefined;
  if (!numbered || !pictures.some(isNumbered)) return undefined;
  const told = `The pictures that ${quoted([numbered.path])} lists are val, and the others are train.`;
  return {
    pictures: pictures.map((one) => ({ ...one, split: isNumbered(one) ? 'val' : 'train' })),
    files: [],
    findings: [info('split-lists', told)],
  };
}

interface ListedClass {
  folder: string;
  id: string;
  number: number;
}

/**
 * The classes in the order of their numbers. A class without a number gets the number of its place in the list. Undefined if the file lists
 * something else.
 */
async function classesIn(file: SourceFile): Promise<ListedClass[] | undefined> {
  const rows = (await linesOf(file)).map((line, place): ListedClass | undefined => {
    const [, folder, number = place] = /^\/?([a-z]\/\S+)(?:\s+(\d+))?$/.exec(line) ?? [];
    const id = folder?.split('/').slice(1).reverse().join(' ');
    return folder === undefined || id === undefined ? undefined : { folder, id, number: Number(number) };
  });
  if (rows.length === 0 || !rows.every((row) => row !== undefined)) return undefined;
  return rows.sort((a, b) => a.number - b.number);
}

/** The class whose folder the picture lies in. */
function labelOf(path: string, classes: ReadonlyMap<string, string>): string | undefined {
  const folder = posix.dirname(path);
  for (let start = 0; start >= 0; start = folder.indexOf('/', start) + 1 || -1) {
    const label = classes.get(folder.slice(start));
    if (label !== undefined) return label;
  }
  return undefined;
}

const linesOf = async (file: SourceFile) =>
  decodeText(await file.read(), file.path)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
