import { z } from 'zod';
import { DataError } from '../errors.ts';
import { faultOf } from '../options.ts';
import { count, number } from '../words.ts';
import type { Labelled } from './dataset-layout.ts';
import { quoted, warning } from './findings.ts';
import { readListed } from './listed.ts';
import { lookupElsewhere, lookupInTree, lookupNear } from './lookup.ts';
import { visible } from './names.ts';
import { decodeText, parseJson, tableOf } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Finding, Split } from './types.ts';

/** A picture as an annotation file lists it: its path there, and the classes of all its annotations. */
export interface Annotated {
  path: string;
  labels: readonly string[];
  split?: Split;
}

/** The pictures that one annotation file, or a folder of them, lists. */
export interface Annotations {
  /** The file, or the first of several. Messages name it. */
  file: SourceFile;
  pictures: readonly Annotated[];
  /** Prefix of the paths: '' or ends with `/`. */
  base?: string;
  /** Split of the pictures that name none. */
  split?: Split;
  findings?: readonly Finding[];
}

/**
 * Reads whole pictures with the class of their annotations. All annotations of a picture must have one class: otherwise it throws
 * `DataError` `dataset/several-labels` with the number of such pictures. `what` names the format.
 */
export async function readAnnotated(
  tree: Tree,
  what: string,
  all: readonly Annotations[],
  signal?: AbortSignal,
): Promise<Labelled> {
  refuseSeveral(what, all);
  const tables = all.map(({ file, pictures, base = '', split }) => {
    const hasSplits = pictures.some((picture) => picture.split !== undefined);
    const rows = pictures.map((picture) => ({
      path: picture.path,
      label: picture.labels[0] ?? '',
      ...(hasSplits && { split: picture.split ?? '' }),
    }));
    const lookup = tree.table ? lookupNear(tree.root) : lookupInTree(tree, base);
    return { table: tableOf(file.path, rows), lookup: lookupElsewhere(lookup), split };
  });
  const listed = await readListed(tables, signal);
  return {
    ...listed,
    layout: `${what} (${listed.layout})`,
    isListed: true,
    files: all.map(({ file }) => file),
    findings: [...listed.findings, ...all.flatMap(({ findings = [] }) => findings)],
  };
}

function refuseSeveral(what: string, all: readonly Annotations[]): void {
  const pictures = all.flatMap((each) => each.pictures);
  const several = pictures.filter(({ labels }) => new Set(labels.map(visible)).size > 1);
  const [first] = several;
  if (!first) return;
  const marked = `${number(several.length)} of ${count(pictures.length, 'picture')}`;
  throw new DataError(
    `${what} (${all[0]!.file.path}): ${marked} show several classes, such as ${first.path} (${quoted([...new Set(first.labels)])}), but a picture can have only one class`,
    {
      code: 'dataset/several-labels',
      hint: 'Cut the marked parts out, or write a table with the columns path,label in which each picture has one class.',
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
