import { posix } from 'node:path';
import { isImagePath } from '../image/image-paths.ts';
import { count } from '../words.ts';
import { badAnnotations, readAnnotated, strayMarks } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import { info, quoted, warning } from './findings.ts';
import { type Annotated, aroundPoints, type Mark } from './marks.ts';
import { splitNamed } from './splits.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Finding, Split } from './types.ts';

/**
 * A line of a label file: the number of the class, then a box (centre, width, height) or the points of a polygon, as shares of the sides.
 */
const LINE = /^\d+(\s+-?\d*\.?\d+(e-?\d+)?){4,}$/i;

/** The layout of YOLO: a text file for each picture, and data.yaml or classes.txt with the names of the classes. */
export const yoloLayout: Layout = {
  id: 'yolo',
  about:
    'YOLO labels: labels/1.txt for images/1.jpg, with data.yaml or classes.txt, where all boxes of a picture are of one class',
  async read(tree, { signal }) {
    if (tree.table) return undefined;
    const texts = new Map(
      tree.files.filter(({ path }) => /\.txt$/i.test(path)).map((file) => [file.path, file]),
    );
    const pictures = tree.files.filter(({ path }) => isImagePath(path));
    const pairs = pictures.map(({ path }) => ({
      path,
      labels: texts.get(labelsOf(path)) ?? texts.get(beside(path)),
    }));
    const first = pairs.find(({ labels }) => labels)?.labels;
    if (!first || !(await isYolo(pairs.flatMap(({ labels }) => labels ?? [])))) return undefined;
    const about = await aboutIn(tree);
    const names = about?.names;
    const unnamed = new Set<string>();
    const annotated: Annotated[] = [];
    for (const { path, labels } of pairs) {
      const marks = labels ? await marksIn(labels, names, unnamed) : [];
      const split = about?.splitOf(path) ?? path.split('/').slice(0, -1).map(splitNamed).find(Boolean);
      annotated.push({ path, marks, size: { width: 1, height: 1 }, ...(split && { split }) });
    }
    const [unknown] = unnamed;
    if (about && unknown !== undefined && annotated.every(({ marks }) => marks.length === 0)) {
      const why = `it has ${count(about.names.size, 'name')}, and no label has one of their numbers (the first is ${unknown})`;
      throw badAnnotations(about.file.path, why);
    }
    const used = new Set(pairs.map(({ labels }) => labels));
    const alone = [...texts.values()].filter((file) => !used.has(file) && /(^|\/)labels\//.test(file.path));
    const findings: Finding[] = [
      ...strayMarks(about?.file ?? first, unnamed.size, 'their number has no name'),
      ...(alone.length > 0
        ? [
            warning(
              'stray-annotations',
              `${count(alone.length, 'label file without a picture is', 'label files without a picture are')} left out.`,
              alone.map(({ path }) => path),
            ),
          ]
        : []),
      ...unusedNames(about, annotated),
    ];
    const all = [{ file: about?.file ?? first, pictures: annotated, findings }];
    const labelled = await readAnnotated(tree, 'YOLO labels', all, signal);
    return { ...labelled, files: [...texts.values(), ...(about ? [about.file, ...about.lists] : [])] };
  },
};

/** The path with `labels/` in place of the last `images/`. */
function labelsOf(path: string): string {
  return beside(path.replace(/(^|.*\/)images\//i, '$1labels/'));
}

const beside = (path: string) => path.replace(/\.[^./]*$/, '.txt');

const linesOf = async (file: SourceFile) =>
  decodeText(await file.read(), file.path)
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim());

/** Largest number of label files in which a line is searched. The files of pictures without objects are empty. */
const MOST_READ = 64;

async function isYolo(files: readonly SourceFile[]): Promise<boolean> {
  for (const file of files.slice(0, MOST_READ)) {
    const line = (await linesOf(file)).find((one) => one !== '');
    if (line !== undefined) return LINE.test(line);
  }
  return false;
}

/** The marks of a label file. A number without a name is added to `unnamed`, and its mark is left out. */
async function marksIn(
  file: SourceFile,
  names: ReadonlyMap<string, string> | undefined,
  unnamed: Set<string>,
): Promise<Mark[]> {
  const marks: Mark[] = [];
  for (const [i, line] of (await linesOf(file)).entries()) {
    if (line === '') continue;
    if (!LINE.test(line)) throw badAnnotations(file.path, `line ${i + 1} is not a number and a box`);
    const [number = '', ...rest] = line.split(/\s+/);
    const label = names ? names.get(String(Number(number))) : number;
    if (label === undefined) unnamed.add(`${file.path}:${i + 1}`);
    else marks.push({ label, box: boxOf(rest.map(Number)) });
  }
  return marks;
}

function boxOf(numbers: readonly number[]) {
  if (numbers.length > 5) {
    const points = Array.from({ length: numbers.length >> 1 }, (_, i) => [
      numbers[2 * i]!,
      numbers[2 * i + 1]!,
    ]);
    return aroundPoints(points);
  }
  const [x = 0, y = 0, width = 0, height = 0] = numbers;
  return { left: x - width / 2, top: y - height / 2, width, height };
}

/** The contents of data.yaml or of a list of names. */
interface About {
  file: SourceFile;
  /** Names by number. */
  names: ReadonlyMap<string, string>;
  /** Files that list the pictures of a split. */
  lists: SourceFile[];
  splitOf(path: string): Split | undefined;
}

const NAME_FILES = /(^|\/)(classes\.txt|obj\.names|[^/]*\.names|_darknet\.labels)$/i;

async function aboutIn(tree: Tree): Promise<About | undefined> {
  for (const file of tree.files.filter(({ path }) => /\.ya?ml$/i.test(path))) {
    const yaml = await yamlIn(decodeText(await file.read(), file.path));
    if (typeof yaml?.names === 'object' && yaml.names !== null) {
      const names = new Map(Object.entries(yaml.names).map(([id, name]) => [id, String(name)]));
      return { file, names, ...(await splitsIn(tree, yaml)) };
    }
  }
  const file = tree.files.find(({ path }) => NAME_FILES.test(path));
  if (!file) return undefined;
  const lines = (await linesOf(file)).filter((line) => line !== '');
  return {
    file,
    names: new Map(lines.map((name, i) => [String(i), name])),
    lists: [],
    splitOf: () => undefined,
  };
}

async function yamlIn(text: string): Promise<Record<string, unknown> | undefined> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text);
  const value = document.errors.length > 0 ? undefined : document.toJS();
  return typeof value === 'object' && value !== null ? value : undefined;
}

/** The splits of the folders or lists of pictures that data.yaml names. The folders may be those of another machine. */
async function splitsIn(
  tree: Tree,
  yaml: Record<string, unknown>,
): Promise<Pick<About, 'lists' | 'splitOf'>> {
  const folders: [string, Split][] = [];
  const listed = new Map<string, Split>();
  const lists: SourceFile[] = [];
  for (const split of ['train', 'val', 'test'] as const) {
    for (const value of [yaml[split]].flat()) {
      if (typeof value !== 'string') continue;
      const place = posix.normalize(value.replaceAll('\\', '/')).replace(/^(\.\.?\/)+|\/+$/g, '');
      if (!place.endsWith('.txt')) folders.push([`/${place}/`, split]);
      const list = tree.files.find(({ path }) => place.endsWith('.txt') && `/${place}`.endsWith(`/${path}`));
      if (!list) continue;
      lists.push(list);
      for (const line of await linesOf(list)) listed.set(posix.basename(line.replaceAll('\\', '/')), split);
    }
  }
  const isOnly = new Set(folders.map(([folder]) => folder)).size === folders.length;
  const splitOf = (path: string) =>
    listed.get(posix.basename(path)) ??
    (isOnly ? folders.find(([folder]) => `/${path}`.includes(folder))?.[1] : undefined);
  return { lists, splitOf };
}

function unusedNames(about: About | undefined, pictures: readonly Annotated[]): Finding[] {
  const used = new Set(pictures.flatMap(({ marks }) => marks.map(({ label }) => label)));
  const unused = [...new Set(about?.names.values())].filter((name) => !used.has(name));
  if (!about || unused.length === 0) return [];
  return [info('unused-categories', `${about.file.path}: no picture shows ${quoted(unused)}.`, unused)];
}
