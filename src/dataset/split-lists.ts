import { posix } from 'node:path';
import { isImagePath } from '../image/image-paths.ts';
import { count } from '../words.ts';
import type { LabelledFile } from './dataset-layout.ts';
import { info, quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { heldOut, splitWithin } from './splits.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Finding, Split } from './types.ts';

/** The splits of pictures in class folders, as lists beside the folders give them. */
export interface ListedSplits {
  pictures: LabelledFile[];
  files: SourceFile[];
  findings: Finding[];
}

/**
 * Reads the splits of pictures from text files that have the names of splits and list pictures, if no picture has a split: `meta/train.txt` of Food-101,
 * `labels/train1.txt` of DTD, `train_test_split.txt` with `images.txt` of CUB. Undefined if there are none, or if they list other things.
 */
export async function readSplitLists(
  tree: Tree,
  pictures: readonly LabelledFile[],
): Promise<ListedSplits | undefined> {
  if (pictures.some(({ split }) => split !== undefined)) return undefined;
  const named = tree.files.filter(({ path }) => isList(path));
  if (named.length === 0) return undefined;
  const find = finder(pictures.map(({ file }) => file.path));
  const lists = [...(await cubLists(tree)), ...(await plainLists(named))];
  const found = lists.map((list) => ({ ...list, paths: list.lines.map(find) }));
  // A list of other things, such as a caption for each picture, leads to few pictures.
  const meant = found.filter(({ lines, paths }) => 2 * paths.filter(Boolean).length > lines.length);
  const used = [...groupBy(meant, ({ split }) => split).values()].map((same) => same[0]!);
  if (!used.some(({ split }) => split === 'train') || used.length < 2) return undefined;
  const splits = new Map<string, Split>();
  const findings: Finding[] = [];
  const twice: string[] = [];
  for (const { file, split, lines, paths } of used) {
    const missing = lines.filter((_, i) => paths[i] === undefined);
    if (missing.length > 0)
      findings.push(
        warning(
          'missing-files',
          `${file.path}: ${count(missing.length, 'line leads', 'lines lead')} to no picture.`,
          missing,
        ),
      );
    for (const path of paths) {
      if (path === undefined) continue;
      if (splits.has(path) && splits.get(path) !== split) twice.push(path);
      splits.set(path, heldOut(splits.get(path), split)!);
    }
  }
  if (twice.length > 0)
    findings.push(
      warning(
        'two-splits',
        `${count(twice.length, 'picture is', 'pictures are')} in the lists of two splits; test counts before val, and val before train.`,
        twice,
      ),
    );
  const unused = meant.filter((list) => !used.includes(list)).map(({ file }) => file.path);
  const others =
    unused.length > 0
      ? ` ${quoted(unused)} ${unused.length === 1 ? 'is' : 'are'} another division and not used.`
      : '';
  const names = [...new Set(used.map(({ file }) => file.path))];
  return {
    pictures: pictures.map((picture) => {
      const split = splits.get(picture.file.path);
      return split ? { ...picture, split } : picture;
    }),
    files: [...meant.map(({ file }) => file), ...tree.files.filter(({ path }) => isCubImages(path))],
    findings: [info('split-lists', `The splits are read from ${quoted(names)}.${others}`), ...findings],
  };
}

/** A list of pictures of one split. */
interface List {
  file: SourceFile;
  split: Split;
  lines: string[];
}

/** `train.txt`, `testlist01.txt`, `train_test_split.txt`. */
function isList(path: string): boolean {
  const { name, ext } = posix.parse(path);
  return /^\.(txt|lst)$/i.test(ext) && splitWithin(name.replace(/list(?=\d|$)/i, '')) !== undefined;
}

const linesOf = async (file: SourceFile) =>
  decodeText(await file.read(), file.path)
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** The lists in natural order, so that of numbered divisions the first is read. */
async function plainLists(files: readonly SourceFile[]): Promise<List[]> {
  const lists: List[] = [];
  for (const file of files) {
    const { name } = posix.parse(file.path);
    const split = splitWithin(name.replace(/list(?=\d|$)/i, ''));
    if (split && !/split/i.test(name)) lists.push({ file, split, lines: await linesOf(file) });
  }
  return lists;
}

const isCubImages = (path: string) => posix.basename(path).toLowerCase() === 'images.txt';

/** CUB's lists: `images.txt` numbers the pictures, and `train_test_split.txt` says which numbers are for training. */
async function cubLists(tree: Tree): Promise<List[]> {
  const file = tree.files.find(({ path }) => posix.basename(path).toLowerCase() === 'train_test_split.txt');
  const images = file && tree.files.find(({ path }) => isCubImages(path));
  if (!file || !images) return [];
  const pairs = async (one: SourceFile) =>
    (await linesOf(one)).map((line) => /^(\S+)\s+(.+)$/.exec(line)?.slice(1) ?? ['', '']);
  const paths = new Map((await pairs(images)) as [string, string][]);
  const flags = await pairs(file);
  return (['train', 'test'] as const).map((split) => ({
    file,
    split,
    lines: flags
      .filter(([, flag]) => flag === (split === 'train' ? '1' : '0'))
      .map(([id]) => paths.get(id!) ?? id!),
  }));
}

/** Finds a picture by a line: the end of its path, with or without the file extension, and perhaps a label behind it. */
function finder(paths: readonly string[]): (line: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  for (const path of paths) {
    for (let start = 0; ; start = path.indexOf('/', start) + 1) {
      for (const key of [path.slice(start), path.slice(start).replace(/\.[^./]*$/, '')])
        known.set(key, known.has(key) && known.get(key) !== path ? undefined : path);
      if (path.indexOf('/', start) < 0) break;
    }
  }
  return (line) => {
    const whole = line.replaceAll('\\', '/').replace(/^(\.?\/)+/, '');
    const first = whole.split(/[\s,;]+/)[0]!;
    const own = known.get(whole) ?? known.get(first);
    if (own !== undefined) return own;
    // Paths of another machine begin with folders that are not here.
    for (let at = first.indexOf('/'); at >= 0 && isImagePath(first); at = first.indexOf('/', at + 1)) {
      const found = known.get(first.slice(at + 1));
      if (found !== undefined && first.slice(at + 1).includes('/')) return found;
    }
    return undefined;
  };
}
