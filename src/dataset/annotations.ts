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

/** A picture as another program lists it: its path there, and the classes of all that is marked in it. */
export interface Annotated {
  path: string;
  labels: readonly string[];
  split?: Split;
}

/** The pictures that one file, or a folder of files, lists. */
export interface Annotations {
  /** The file, or the first of several, for messages. */
  file: SourceFile;
  pictures: readonly Annotated[];
  /** Where paths begin: '' or ends with `/`. */
  base?: string;
  /** Of pictures that name none. */
  split?: Split;
  findings?: readonly Finding[];
}

/**
 * Whole pictures by what is marked in them: all marks of a picture say one class. Throws `DataError` `dataset/several-labels` with the
 * number of pictures where they do not. `what` names the format.
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

/** A warning of marks that belong to nothing, with their number. Nothing where there are none. */
export function strayMarks(file: SourceFile, of: number, why: string): Finding[] {
  if (of === 0) return [];
  const message = `${file.path}: ${count(of, 'annotation is', 'annotations are')} left out, because ${why}.`;
  return [warning('stray-annotations', message)];
}

/** What is wrong with a file of annotations. */
export function badAnnotations(path: string, why: string, cause?: unknown): DataError {
  return new DataError(`${path} cannot be read: ${why}`, {
    code: 'dataset/annotations',
    hint: 'Export it again, or write a table with the columns path,label from it and save it as index.csv in the folder.',
    details: { path },
    cause,
  });
}

/** The value as the schema has it. Throws `DataError` `dataset/annotations` that says what it must be. */
export function shaped<T>(schema: z.ZodType<T>, value: unknown, { path }: SourceFile): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw badAnnotations(path, faultOf(result.error), result.error);
}

/** What programs number things by. */
export const ID = z.union([z.number(), z.string()]);

/** Files with more bytes are not looked into. */
const LARGEST_JSON = 2 ** 28;

const parsed = new WeakMap<SourceFile, Promise<unknown>>();

/** What a JSON file holds; undefined where it is no JSON or too large. Several layouts look into one: it is parsed once. */
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

/** So many files of a kind are looked into. */
const MOST_READ = 8;

/** JSON files that may be annotations: those named so, and some of the others. */
export function jsonFiles(tree: Tree, named: RegExp = /^$/): SourceFile[] {
  const all = (tree.table ? [tree.table] : tree.files).filter(({ path }) => /\.json$/i.test(path));
  const marked = all.filter(({ path }) => named.test(path));
  return marked.length > 0 ? marked : all.slice(0, MOST_READ);
}

export function keysOf(value: unknown): Set<string> {
  return new Set(typeof value === 'object' && value !== null ? Object.keys(value) : []);
}
