import { stat } from 'node:fs/promises';
import { dirname, extname, posix, resolve } from 'node:path';
import { giveWay } from '../abort.ts';
import { DataError, UsageError } from '../errors.ts';
import { refuseUnknown, resolveOptions } from '../options.ts';
import type { Progress } from '../store/download.ts';
import { unlessMissing } from '../store/regular.ts';
import { isHubData, isStoreAddress } from '../store/store-address.ts';
import { withNamedErrors } from '../system-error.ts';
import { count } from '../words.ts';
import { isTarName, isZipName } from './archive-names.ts';
import { tarTree, zipTree } from './archive-tree.ts';
import { CARD_NAME, cardOf, classNamesOfCard } from './card.ts';
import { readClassTable } from './class-table.ts';
import { CLASSES_NAME, describeClasses } from './classes.ts';
import type { Labelled } from './dataset-layout.ts';
import { diskFile } from './disk-file.ts';
import { doubtFindings } from './doubts.ts';
import { info, quoted, warning } from './findings.ts';
import { LAYOUT_HINT } from './folder-checks.ts';
import { folderTree, tableTree } from './folder-tree.ts';
import { candidateBases } from './folders.ts';
import { refuseFile } from './foreign.ts';
import { type HubDataOptions, hubTree } from './hub-data.ts';
import { readLayout } from './layouts.ts';
import { limited } from './limit.ts';
import { visible } from './names.ts';
import { addNoticed } from './noticed.ts';
import { countsText, overviewOf } from './overview.ts';
import { givenReading, type ReadValues, readOptions } from './read-options.ts';
import { patternTree, withArchives } from './shards.ts';
import { storeTree } from './store-tree.ts';
import { readStoredFeatures } from './stored-features.ts';
import { storedInfo } from './stored-info.ts';
import { TABLE_ENDINGS, type Table, tableOf } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';
import type { Dataset, Example, Finding, Split } from './types.ts';
import { unusedFiles } from './unused-files.ts';

/** Options of `readDataset`. */
export interface ReadOptions extends Partial<ReadValues> {
  /** Return only the examples of this split. All classes stay. */
  split?: Split;
  /** Path of a file that names the classes: CSV, JSON or text. Default: the classes.csv in the root of the data, if it exists. */
  classes?: string;
  signal?: AbortSignal;
  /** Called with one line about the size of a download. */
  note?(line: string): void;
  /** Called with the progress of a download. */
  onDownload?(progress: Progress): void;
}

/**
 * Reads a data set of labelled pictures: `<class>/*`, `{train,val,test}/<class>/*`, a folder with an index.csv or metadata.csv (or
 * .jsonl), such a table itself, CoOp's layouts, a registered layout, or a zip of any of these. Pictures are listed, not opened. Throws
 * `DataError` if `source` is missing, empty or has another layout; what was noticed before is in the error's `details.findings`.
 * Peculiarities that do not stop the work are in `findings`.
 */
export function readDataset(
  source: string,
  { split, classes, signal, note, onDownload, ...given }: ReadOptions = {},
): Promise<Dataset> {
  return withNamedErrors(async () => {
    refuseUnknown(given, Object.keys(readOptions));
    const options = resolveOptions(readOptions, given);
    const stored = await storedInfo(source);
    if (stored) {
      refuseReading(source, options);
      return selectSplit(await readStoredFeatures(source, stored, { classes, signal }), split);
    }
    const watch = { signal, note, onProgress: onDownload };
    const tree = { ...(await openSource(source, options, watch)), options };
    await giveWay(signal);
    try {
      const labelled = limited(await readLayout(tree, signal), options.limit);
      checkUse(source, options, labelled);
      await giveWay(signal);
      const names = await readClassNames(tree, labelled, classes);
      return selectSplit(assemble(tree, labelled, names), split);
    } catch (error) {
      await addNoticed(error, tree);
      throw error;
    }
  });
}

/** Throws `UsageError` for an option that says how pictures are read, because features are given. */
function refuseReading(source: string, options: ReadValues): void {
  const option = givenReading(options);
  if (option === undefined) return;
  throw new UsageError(`Option ${option} has no effect: ${source} holds features`, {
    code: 'dataset/no-effect',
    hint: 'Leave it out, or give it to tip-adapter embed.',
    details: { option, source },
  });
}

/** Throws `UsageError` for an option that has no effect on what was read. */
function checkUse(
  source: string,
  { columns, crop, margin }: ReadValues,
  { layout, isNamed, isCropped }: Labelled,
): void {
  const idle: [string, string][] = [];
  if (columns !== undefined && !isNamed) idle.push(['--columns', 'Leave it out, or give the table itself.']);
  if (crop && !isCropped)
    idle.push(['--crop', 'Leave it out, or give annotations with boxes, such as COCO, VOC or YOLO.']);
  if (margin > 0 && !crop)
    idle.push(['--margin', 'Leave it out, or add --crop boxes, whose boxes it widens.']);
  const [first] = idle;
  if (!first) return;
  const [option, hint] = first;
  throw new UsageError(`Option ${option} has no effect: ${source} was read from ${layout}`, {
    code: 'dataset/no-effect',
    hint,
    details: { option, source, layout },
  });
}

/** The files of a source. Throws `DataError` if the source is not a folder, a table or an archive. */
export async function openSource(
  source: string,
  { limit, zipEncoding, followLinks }: Partial<Pick<ReadValues, 'limit' | 'zipEncoding' | 'followLinks'>>,
  watch: HubDataOptions,
): Promise<Tree> {
  if (isHubData(source)) return hubTree(source, { ...watch, limit });
  if (isStoreAddress(source)) return storeTree(source, watch.signal);
  const { signal } = watch;
  const stats = await stat(source).catch(unlessMissing);
  const opening = { signal, zipEncoding };
  const shards = stats ? undefined : await patternTree(source, opening);
  if (shards) return shards;
  if (!stats) {
    throw new DataError(`There is no file or folder ${source}`, {
      code: 'dataset/missing',
      hint: LAYOUT_HINT,
      details: { path: source },
    });
  }
  if (stats.isDirectory())
    return withArchives(await folderTree(source, signal, { anywhere: followLinks }), opening);
  if (isZipName(source)) return zipTree(source, opening);
  if (isTarName(source)) return tarTree(source, opening);
  // YOLO's data.yaml names folders beside it.
  if (/\.ya?ml$/i.test(source)) return folderTree(dirname(source), signal, { anywhere: followLinks });
  const ending = extname(source).toLowerCase();
  if (['.json', '.parquet', ...TABLE_ENDINGS].includes(ending))
    return tableTree(source, [CLASSES_NAME, CARD_NAME]);
  return refuseFile(diskFile(source, resolve(source)));
}

/** The table with the names of the classes, if there is one, and the files that were read for it. */
interface ClassNames {
  table?: Table;
  files: SourceFile[];
  findings: Finding[];
}

/** The names of the classes, from the first of: the table at `given`, a classes.csv, the layout, a data set card. */
async function readClassNames(tree: Tree, labelled: Labelled, given?: string): Promise<ClassNames> {
  const others = candidateBases(tree).flatMap((base) => base.others);
  // A file that the layout has read is part of the layout.
  const named = (name: string) =>
    others.find(
      (file) => posix.basename(file.path).toLowerCase() === name && !labelled.files?.includes(file),
    );
  const [file, card] = [named(CLASSES_NAME), cardOf(labelled, named(CARD_NAME))];
  const findings: Finding[] = [];
  const ownTable = async () => {
    try {
      return file && (await readClassTable(file, labelled.classIds));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      // Another program's table of this name is not a reason to refuse the pictures.
      findings.push(warning('classes-unused', `The names of the classes were not read: ${error.message}.`));
      return undefined;
    }
  };
  const table = given
    ? await readClassTable(diskFile(given, given), labelled.classIds)
    : ((await ownTable()) ??
      namesTable(labelled) ??
      (card && (await classNamesOfCard(card, labelled.column))));
  return { table, files: [file, card].flatMap((one) => one ?? []), findings };
}

/** The names that a layout gives its classes. */
function namesTable({ layout, names }: Labelled): Table | undefined {
  return (
    names &&
    tableOf(
      layout,
      Array.from(names, ([id, name]) => ({ id, name })),
    )
  );
}

/** The data set with numbered classes and all findings. */
function assemble(tree: Tree, labelled: Labelled, names: ClassNames): Dataset {
  const { order } = labelled;
  // A list also says which pictures belong to the data and do not exist.
  const unreadable = (labelled.isListed ? labelled.absent : tree.unreadable) ?? [];
  const { classes, findings: classFindings } = describeClasses(labelled.classIds, names.table);
  const indexOf = new Map(classes.map(({ id }, i) => [id, i]));
  const examples = labelled.pictures.map(({ file, label, split, group }): Example => {
    const index = label === undefined ? -1 : (indexOf.get(label) ?? -1);
    const { path: id, absolute: path, within, tag, readExample: read = () => file.read() } = file;
    // Only the fields that are needed, and none added later: a million examples are held in memory.
    if (group) {
      const place = { ...(path && { path }), ...(within && { within }), ...(tag && { tag }) };
      return { id, label: index, ...(split && { split }), group, ...place, read };
    }
    if (tag) return { id, label: index, ...(split && { split }), tag, read };
    if (within) return split ? { id, label: index, split, within, read } : { id, label: index, within, read };
    if (path === undefined) return split ? { id, label: index, split, read } : { id, label: index, read };
    return split ? { id, label: index, split, path, read } : { id, label: index, path, read };
  });
  return {
    name: tree.name,
    root: tree.root,
    layout: labelled.layout,
    classes,
    ...(order && { order: order.flatMap((id) => indexOf.get(visible(id)) ?? []) }),
    examples,
    ...(unreadable.length > 0 && { unreadable }),
    findings: [
      info('found', `${countsText(overviewOf({ classes, examples }))}, read from ${labelled.layout}.`),
      ...doubtFindings(classes),
      ...labelled.findings,
      ...emptyClasses({ classes, examples }),
      ...absentClasses({ classes, examples }),
      ...tree.findings,
      ...unusedFiles(tree, labelled, names.files),
      ...names.findings,
      ...classFindings,
    ],
  };
}

function emptyClasses({ classes, examples }: Pick<Dataset, 'classes' | 'examples'>): Finding[] {
  const seen = new Set(examples.map(({ label }) => label));
  const empty = classes.filter((_, i) => !seen.has(i)).map(({ id }) => id);
  if (empty.length === 0) return [];
  const n = count(empty.length, 'class has', 'classes have');
  return [
    warning('empty-class', `${n} no pictures and can be recognised only by name: ${quoted(empty)}`, empty),
  ];
}

/** Reports classes without a picture in a split. Classes with too few examples are reported when examples are drawn. */
function absentClasses({ classes, examples }: Pick<Dataset, 'classes' | 'examples'>): Finding[] {
  const seen = new Set(examples.map(({ label }) => label));
  return (['val', 'test'] as const).flatMap((split) => {
    const own = new Set(examples.filter((one) => one.split === split).map(({ label }) => label));
    const absent = classes.filter((_, i) => seen.has(i) && !own.has(i)).map(({ id }) => id);
    if (absent.length === 0 || own.size === 0) return [];
    const n = count(absent.length, 'class has', 'classes have');
    return [info('absent-class', `${n} no pictures in ${split}: ${quoted(absent)}`, absent)];
  });
}

function selectSplit(dataset: Dataset, split?: Split): Dataset {
  if (split === undefined) return dataset;
  const examples = dataset.examples.filter((example) => example.split === split);
  if (examples.length > 0) return { ...dataset, examples };
  const there = [...new Set(dataset.examples.map((example) => example.split ?? 'none'))];
  throw new DataError(`${dataset.root} has no split "${split}" (it has ${there.join(', ')})`, {
    code: 'dataset/no-split',
    hint: 'Put the pictures into train/ and test/ folders, or fill a column split in the table.',
    details: { root: dataset.root, split, there },
  });
}
