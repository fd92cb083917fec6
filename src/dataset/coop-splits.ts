import { posix } from 'node:path';
import { z } from 'zod';
import { DataError } from '../errors.ts';
import { isImagePath } from '../image/image-paths.ts';
import { faultOf } from '../options.ts';
import { count, plural } from '../words.ts';
import type { Labelled, LabelledFile, Layout } from './dataset-layout.ts';
import { info, warning } from './findings.ts';
import { candidateBases } from './folders.ts';
import { groupBy } from './groups.ts';
import { withUnusedIndexes } from './indexes.ts';
import { readListed } from './listed.ts';
import { lookupInTree } from './lookup.ts';
import { visible } from './names.ts';
import { splitNamed } from './splits.ts';
import { decodeText, parseJson, tableOf } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Split } from './types.ts';

const SPLIT_FILE = /^split_zhou_.+\.json$/;
const CLASSNAMES = 'classnames.txt';
const VARIANTS = /^images_variant_(train|val|test)\.txt$/;

/** Whether a file marks its folder as a data set in CoOp's layout. */
export function marksCoopData(name: string): boolean {
  return SPLIT_FILE.test(name) || VARIANTS.test(name) || name === CLASSNAMES;
}

/**
 * The layouts of CoOp (Zhou et al., IJCV 2022; its DATASETS.md): `split_zhou_*.json`, FGVC Aircraft's lists, and ImageNet and its
 * variants V2, Sketch, A and R with a `classnames.txt`. ImageNet's `val` is read as the test split, as in the literature.
 */
export const coopLayout: Layout = {
  id: 'coop',
  about: "CoOp's folders: split_zhou_*.json, FGVC Aircraft's lists, ImageNet with classnames.txt",
  async read(tree, { signal }) {
    const labelled = await readCoop(tree, signal);
    return labelled && withUnusedIndexes(tree, labelled, signal);
  },
};

/** Throws `DataError` if a file of the layout is malformed or contradicts itself. */
async function readCoop(tree: Tree, signal?: AbortSignal): Promise<Labelled | undefined> {
  for (const { path: base, others } of candidateBases(tree)) {
    const named = (pattern: RegExp) => others.filter(({ path }) => pattern.test(posix.basename(path)));
    const [splitFile, another] = named(SPLIT_FILE);
    const variants = named(VARIANTS);
    const classnames = others.find(({ path }) => path === base + CLASSNAMES);
    if (splitFile && another)
      throw malformed(another.path, `${splitFile.path} is also a split file; remove one of them`);
    if (splitFile) return readSplitFile(tree, base, splitFile, signal);
    if (variants.length > 0) return readVariants(tree, base, variants, signal);
    const names = classnames && (await readClassnames(classnames));
    if (names) return { ...readImageNet(tree, base, names), files: [classnames] };
  }
  return undefined;
}

const splitSchema = z.record(
  z.string().refine((name) => splitNamed(name), 'not the name of a split'),
  z.array(z.tuple([z.string(), z.coerce.number().int(), z.string()])),
);

async function readSplitFile(
  tree: Tree,
  base: string,
  file: SourceFile,
  signal?: AbortSignal,
): Promise<Labelled> {
  const splits = parseSplit(await textOf(file), file.path);
  const rows = Object.entries(splits).flatMap(([split, items]) =>
    items.map(([path, label, name]) => ({ path, label, name: visible(name), split })),
  );
  const ids = classIds(rows, file.path);
  const table = tableOf(
    file.path,
    rows.map(({ path, label, split }) => ({ path, label: ids.get(label) as string, split })),
  );
  const labelled = await readListed([{ table, lookup: lookupInTree(tree, base) }], signal);
  const names = new Map(rows.map(({ label, name }) => [ids.get(label) as string, name.replaceAll('_', ' ')]));
  const order = [...ids].sort(([a], [b]) => a - b).map(([, id]) => id);
  return { ...labelled, classIds: [...ids.values()], isListed: true, order, names, files: [file] };
}

function parseSplit(text: string, path: string): z.infer<typeof splitSchema> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw malformed(path, (cause as Error).message, cause);
  }
  const parsed = splitSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw malformed(path, faultOf(parsed.error));
}

function malformed(path: string, what: string, cause?: unknown): DataError {
  return new DataError(`${path} is not a split file: ${what}`, {
    code: 'dataset/split-file',
    hint: 'The file must be {"train": [["folder/1.jpg", 0, "cat"], …], "val": […], "test": […]}.',
    details: { path },
    cause,
  });
}

/** Class ids by label: the name, followed by the label if two labels have the same name. */
function classIds(rows: readonly { label: number; name: string }[], path: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const { label, name } of rows) {
    if (name.trim() === '') throw malformed(path, `label ${label} has no name`);
    const before = names.get(label) ?? name;
    if (before !== name) {
      throw malformed(path, `label ${label} is both "${before}" and "${name}"`);
    }
    names.set(label, name);
  }
  const byName = groupBy(names, ([, name]) => name);
  return new Map(
    [...byName.values()].flatMap((alike) =>
      alike.map(([label, name]) => [label, alike.length > 1 ? `${name} ${label}` : name] as const),
    ),
  );
}

/** FGVC Aircraft: a list of `<picture> <variant>` for each split. */
async function readVariants(
  tree: Tree,
  base: string,
  files: readonly SourceFile[],
  signal?: AbortSignal,
): Promise<Labelled> {
  const rows = [];
  for (const file of files) {
    const split = splitNamed(posix.parse(file.path).name.replace('images_variant_', '')) as Split;
    for (const [picture, label] of wordAndRest(await textOf(file)))
      rows.push({ path: `images/${picture}.jpg`, label, split });
  }
  const table = tableOf(`${base}images_variant_*.txt`, rows);
  const list = tree.files.find(({ path }) => path === `${base}variants.txt`);
  const labelled = await readListed([{ table, lookup: lookupInTree(tree, base) }], signal);
  if (!list) return { ...labelled, isListed: true, files };
  const order = (await textOf(list)).split(/\r?\n/).filter((line) => line !== '');
  return { ...labelled, isListed: true, order, files: [...files, list] };
}

/** Names by WordNet id, in ImageNet's order. Empty if the file has another content. */
async function readClassnames(file: SourceFile): Promise<ReadonlyMap<string, string> | undefined> {
  const lines = wordAndRest(await textOf(file));
  return lines.length > 0 && lines.every(([id]) => /^n\d{8}$/.test(id)) ? new Map(lines) : undefined;
}

/** Folders are named by WordNet ids, in ImageNet-V2 by line numbers of `classnames.txt`. As texts, 10 would come before 2. */
function readImageNet(tree: Tree, base: string, names: ReadonlyMap<string, string>): Labelled {
  const ids = [...names.keys()];
  const pictures: LabelledFile[] = [];
  const outside: string[] = [];
  for (const file of tree.files.filter(({ path }) => path.startsWith(base) && isImagePath(path))) {
    const folders = file.path.slice(base.length).split('/').slice(0, -1);
    const at = folders.findIndex((folder) => names.has(folder));
    const place = /^\d+$/.test(folders.at(-1) ?? '') ? ids[Number(folders.at(-1))] : undefined;
    const label = at < 0 ? place : folders[at];
    const split: Split = folders.slice(0, Math.max(0, at)).some((name) => splitNamed(name) === 'train')
      ? 'train'
      : 'test';
    if (label) pictures.push({ file, label, split });
    else outside.push(file.path);
  }
  const there = new Set(pictures.map(({ label }) => label as string));
  const findings = [];
  if (there.size < ids.length) {
    const missing = ids.filter((id) => !there.has(id)).map((id) => `${id} ${names.get(id)}`);
    const message = `${count(missing.length, 'class', 'classes')} of ${CLASSNAMES} ${plural(missing.length, 'has no picture and is', 'have no picture and are')} left out.`;
    findings.push(info('missing-classes', message, missing));
  }
  if (outside.length > 0) {
    const out = count(
      outside.length,
      'picture is left out, because it is outside the class folders',
      'pictures are left out, because they are outside the class folders',
    );
    findings.push(warning('outside-classes', `${out}.`, outside));
  }
  const layout = `ImageNet's folders and ${CLASSNAMES}`;
  const known = [...names].filter(([id]) => there.has(id));
  const order = known.map(([id]) => id);
  return { pictures, classIds: [...there], layout, findings, order, names: new Map(known) };
}

/** The lines of a file, each divided into its first word and the rest. */
function wordAndRest(text: string): [string, string][] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const word = line.split(' ', 1)[0]!;
      return [word, line.slice(word.length + 1)];
    });
}

async function textOf(file: SourceFile): Promise<string> {
  return decodeText(await file.read(), file.path);
}
