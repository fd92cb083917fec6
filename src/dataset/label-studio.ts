import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { badAnnotations, jsonFiles, jsonIn, keysOf, readAnnotated } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import { quoted } from './findings.ts';
import { candidateBases } from './folders.ts';
import { type Annotated, aroundPoints, type Mark } from './marks.ts';
import { parseJson, parseTable } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';

type Item = Readonly<Record<string, unknown>>;

/** An export of Label Studio with the choice for each picture: JSON, JSON-MIN, or CSV. */
export const labelStudioLayout: Layout = {
  id: 'label-studio',
  about: 'an export of Label Studio (JSON, JSON-MIN or CSV) with one choice for each picture',
  async read(tree, { signal }) {
    const found = await exportsIn(tree);
    const [first, ...more] = found;
    if (!first) return undefined;
    if (more.length > 0) throw severalExports(found.map(({ file }) => file.path));
    return readAnnotated(tree, 'an export of Label Studio', [first], signal);
  },
};

/** The exports in JSON, or those in tables if there are none. Both contain the same. */
async function exportsIn(tree: Tree): Promise<{ file: SourceFile; pictures: Annotated[] }[]> {
  const inJson: { file: SourceFile; pictures: Annotated[] }[] = [];
  for (const file of jsonFiles(tree)) {
    const items = await jsonIn(file);
    if (!Array.isArray(items) || !isItem(items[0])) continue;
    const keys = keysOf(items[0]);
    if (!keys.has('annotation_id') && !(keys.has('annotations') && keys.has('data'))) continue;
    const read = keys.has('annotation_id') ? pictureOfItem : pictureOfTask;
    inJson.push({ file, pictures: items.map((item) => read(file, item)) });
  }
  if (inJson.length > 0) return inJson;
  const tables = tree.table ? [tree.table] : candidateBases(tree).flatMap(({ others }) => others);
  const inTables: typeof inJson = [];
  for (const file of tables.filter(({ path }) => /\.[ct]sv$/i.test(path))) {
    const bytes = await file.read();
    if (!Buffer.from(bytes.subarray(0, 4096)).includes('annotation_id')) continue;
    const { rows } = parseTable(bytes, file.path);
    inTables.push({ file, pictures: rows.map((row) => pictureOfItem(file, row)) });
  }
  return inTables;
}

/** A task of the full export, with the results of all its annotations. */
function pictureOfTask(file: SourceFile, task: unknown): Annotated {
  if (!isItem(task) || !isItem(task.data)) throw badAnnotations(file.path, 'a task has no data');
  const path = Object.values(task.data).find(isPicture);
  if (path === undefined) throw badAnnotations(file.path, 'a task has no picture');
  const annotations = listOf(task.annotations).filter(
    (one) => isItem(one) && one.was_cancelled !== true,
  ) as Item[];
  const results = annotations.flatMap(({ result }) => listOf(result));
  return {
    path: localPath(path),
    marks: results.flatMap((one) => (isItem(one) ? marksIn(one.value) : [])),
    size: PERCENT,
  };
}

/** Keys of the export itself. The other keys are those of the data and of the controls. */
const OWN = new Set(
  'id annotator annotation_id created_at updated_at lead_time agreement predictions comment_count'.split(' '),
);
const LABEL_KEYS = ['choice', 'choices', 'label', 'labels', 'class', 'category'];

/** A row of JSON-MIN or CSV. */
function pictureOfItem(file: SourceFile, item: unknown): Annotated {
  if (!isItem(item)) throw badAnnotations(file.path, 'an entry is not an object');
  const entries = Object.entries(item).filter(([key]) => !OWN.has(key));
  const [key, path] = entries.find(([, value]) => isPicture(value)) ?? [];
  if (typeof path !== 'string') throw badAnnotations(file.path, 'an entry has no picture');
  const others = entries.filter(([other]) => other !== key);
  const label = LABEL_KEYS.find((name) => others.some(([other]) => other === name)) ?? onlyKey(others);
  const value = others.find(([other]) => other === label)?.[1];
  if (label === undefined && others.length > 0)
    throw badAnnotations(
      file.path,
      `it is not known which of ${quoted(others.map(([other]) => other))} is the class`,
    );
  return { path: localPath(path), marks: marksIn(structureOf(value)), size: PERCENT };
}

const onlyKey = (entries: readonly [string, unknown][]) =>
  entries.length === 1 ? entries[0]![0] : undefined;

/** Parses a field of a table that holds several choices, or boxes, as JSON. */
function structureOf(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  try {
    return parseJson(value);
  } catch {
    return value;
  }
}

/** Label Studio gives boxes in percent of the picture's sides. */
const PERCENT = { width: 100, height: 100 };

/** The marks of a result: a text, a list, or an object with `choices`, `rectanglelabels` and the like. */
function marksIn(value: unknown): Mark[] {
  if (typeof value === 'string') return value.trim() === '' ? [] : [{ label: value }];
  if (Array.isArray(value)) return value.flatMap(marksIn);
  if (!isItem(value)) return [];
  const box = boxIn(value);
  return Object.entries(value).flatMap(([key, own]) =>
    /(^choices|labels)$/.test(key) ? marksIn(own).map((mark) => ({ ...mark, ...box })) : [],
  );
}

/** The box of an ellipse, of a rectangle without rotation, or around the points of a polygon. */
function boxIn({ x, y, width, height, radiusX, radiusY, points, rotation }: Item): Pick<Mark, 'box'> {
  if (typeof rotation === 'number' && rotation !== 0) return {};
  if (Array.isArray(points)) return { box: aroundPoints(points.map((point) => [point].flat().map(Number))) };
  const [left, top] = [Number(x), Number(y)];
  if (width !== undefined) return { box: { left, top, width: Number(width), height: Number(height) } };
  if (radiusX === undefined) return {};
  const [rx, ry] = [Number(radiusX), Number(radiusY)];
  return { box: { left: left - rx, top: top - ry, width: 2 * rx, height: 2 * ry } };
}

/** The path of an upload, of a local file or of an address in a bucket, relative to the data. */
function localPath(address: string): string {
  const local = /[?&]d=([^&]+)/.exec(address)?.[1];
  if (local !== undefined) return decode(local);
  return decode(address.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*\//i, '').replace(/\?.*$/, ''));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const isPicture = (value: unknown): value is string =>
  typeof value === 'string' && (isImagePath(value) || isImagePath(value.replace(/\?.*$/, '')));
const isItem = (value: unknown): value is Item =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function severalExports(paths: string[]): DataError {
  return new DataError(`There are several exports of Label Studio: ${quoted(paths)}`, {
    code: 'dataset/several-tables',
    hint: 'Remove all but one, or give the path of one instead of the folder.',
    details: { paths },
  });
}
