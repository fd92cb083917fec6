import { z } from 'zod';
import { DataError } from '../errors.ts';
import { faultOf } from '../options.ts';
import { count, number } from '../words.ts';
import { boxesOf, lookupBoxes, unboxed } from './boxes.ts';
import type { Labelled } from './dataset-layout.ts';
import { quoted, warning } from './findings.ts';
import { type PictureTable, readListed } from './listed.ts';
import { lookupElsewhere, lookupInTree, lookupNear } from './lookup.ts';
import type { Annotated, Annotations } from './marks.ts';
import { visible } from './names.ts';
import { decodeText, parseJson, tableOf } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Finding } from './types.ts';

/**
 * Reads whole pictures with the class of their annotations. All annotations of a picture must have one class: otherwise it throws
 * `DataError` `dataset/several-labels` with the number of such pictures. If the options of the tree ask for crops, each box is a picture of
 * its own. `what` names the format.
 */
export async function readAnnotated(
  tree: Tree,
  what: string,
  all: readonly Annotations[],
  signal?: AbortSignal,
): Promise<Labelled> {
  const { crop, margin = 0 } = tree.options ?? {};
  if (!crop) refuseSeveral(what, all);
  const tables = all.map(({ file, pictures, base = '', split }): PictureTable => {
    const lookup = lookupElsewhere(tree.table ? lookupNear(tree.root) : lookupInTree(tree, base));
    const hasSplits = pictures.some((picture) => picture.split !== undefined);
    const splitOf = (picture: Annotated) => hasSplits && { split: picture.split ?? '' };
    if (!crop) {
      const rows = pictures.map(({ path, marks, ...rest }) => ({
        path,
        label: marks[0]?.label ?? '',
        ...splitOf({ path, marks, ...rest }),
      }));
      return { table: tableOf(file.path, rows), lookup, split };
    }
    const boxes = boxesOf(pictures);
    const rows = boxes.map(({ picture, mark }, i) => ({
      path: String(i),
      label: mark.label,
      group: picture.group ?? picture.path,
      ...splitOf(picture),
    }));
    return { table: tableOf(file.path, rows), lookup: lookupBoxes(boxes, margin, lookup), split };
  });
  const listed = await readListed(tables, signal);
  return {
    ...listed,
    layout: `${crop ? 'the boxes of ' : ''}${what} (${listed.layout})`,
    isListed: true,
    isCropped: crop !== undefined,
    files: all.map(({ file }) => file),
    findings: [
      ...listed.findings,
      ...all.flatMap(({ findings = [] }) => findings),
      ...(crop ? all.flatMap(unboxed) : []),
    ],
  };
}

function refuseSeveral(what: string, all: readonly Annotations[]): void {
  const pictures = all.flatMap((each) => each.pictures);
  const classesOf = ({ marks }: Annotated) => [...new Set(marks.map(({ label }) => visible(label)))];
  const several = pictures.filter((picture) => classesOf(picture).length > 1);
  const [first] = several;
  if (!first) return;
  const marked = `${number(several.length)} of ${count(pictures.length, 'picture')}`;
  const hasBoxes = several.some(({ marks }) => marks.some(({ box }) => box));
  const otherwise = 'write a table with the columns path,label in which each picture has one class';
  throw new DataError(
    `${what} (${all[0]!.file.path}): ${marked} show several classes, such as ${first.path} (${quoted(classesOf(first))}), but a picture can have only one class`,
    {
      code: 'dataset/several-labels',
      hint: hasBoxes
        ? `Take each box as an example (--crop boxes), or ${otherwise}.`
        : `${otherwise[0]!.toUpperCase()}${otherwise.slice(1)}.`,
      details: {
        pictures: pictures.length,
        several: several.length,
        paths: several.slice(0, 20).map(({ path }) => path),
      },
    },
  );
}

/** A warning with the number of annotations that are left out, or nothing if there are none. */
export function strayMarks(file: SourceFile, of: number, why: string): Finding[] {
  if (of === 0) return [];
  const message = `${file.path}: ${count(of, 'annotation is', 'annotations are')} left out, because ${why}.`;
  return [warning('stray-annotations', message)];
}

/** The error of a file of annotations that cannot be used. */
export function badAnnotations(path: string, why: string, cause?: unknown): DataError {
  return new DataError(`${path} cannot be read: ${why}`, {
    code: 'dataset/annotations',
    hint: 'Export it again, or write a table with the columns path,label from it and save it as index.csv in the folder.',
    details: { path },
    cause,
  });
}

/** The value, checked against a schema. Throws `DataError` `dataset/annotations` that says what it must be. */
export function shaped<T>(schema: z.ZodType<T>, value: unknown, { path }: SourceFile): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw badAnnotations(path, faultOf(result.error), result.error);
}

/** The type of ids in annotation files. */
export const ID = z.union([z.number(), z.string()]);

/** Largest size of a JSON file that is read, in bytes. */
const LARGEST_JSON = 2 ** 28;

const parsed = new WeakMap<SourceFile, Promise<unknown>>();

/** The content of a JSON file. Undefined if it is not JSON or too large. A file is parsed once, although several layouts ask for it. */
export function jsonIn(file: SourceFile): Promise<unknown> {
  const known = parsed.get(file) ?? parse(file);
  parsed.set(file, known);
  return known;
}

async function parse(file: SourceFile): Promise<unknown> {
  const bytes = await file.read();
  if (bytes.length > LARGEST_JSON) return undefined;
  try {
    return parseJson(decodeText(bytes, file.path));
  } catch {
    return undefined;
  }
}

/** Largest number of files of a kind that are opened. */
const MOST_READ = 8;

/** JSON files that may be annotations: those with a name of annotations or, if there are none, some of the others. */
export function jsonFiles(tree: Tree, named: RegExp = /^$/): SourceFile[] {
  const all = (tree.table ? [tree.table] : tree.files).filter(({ path }) => /\.json$/i.test(path));
  const marked = all.filter(({ path }) => named.test(path));
  return marked.length > 0 ? marked : all.slice(0, MOST_READ);
}

export function keysOf(value: unknown): Set<string> {
  return new Set(typeof value === 'object' && value !== null ? Object.keys(value) : []);
}
