import { DataError } from '../errors.ts';
import { count, number, plural } from '../words.ts';
import { columnsOf, missingColumn, suspectSplits } from './columns.ts';
import type { Labelled, LabelledFile } from './dataset-layout.ts';
import { info, quoted, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import type { Lookup } from './lookup.ts';
import { heldOut } from './splits.ts';
import type { Table } from './text-files.ts';
import type { SourceFile } from './tree.ts';
import type { Finding, Split, Unreadable } from './types.ts';

interface Skipped {
  missing: Unreadable[];
  repeated: string[];
  contradictory: string[];
  /** Files that have two splits in different rows. */
  leaking: string[];
  withoutPath: number;
}

/** A table of pictures, the lookup of its paths, and the split of rows that name none. */
export interface PictureTable {
  table: Table;
  lookup: Lookup;
  split?: Split;
  /** Whether each row is a picture of its own. Rows are then not compared, because a map of a million paths takes memory. */
  areDistinct?: boolean;
}

/** The pictures that were listed, in order, and by their names if two rows may name one picture. */
interface Pictures {
  all: LabelledFile[];
  known: Map<string, LabelledFile>;
}

/**
 * The pictures that tables list, with their classes and, if given, splits and groups. Rows whose file does not exist are left out
 * and reported. Throws `DataError` if a column or every file is missing, or if rows name an unknown split.
 */
export async function readListed(tables: readonly PictureTable[], signal?: AbortSignal): Promise<Labelled> {
  const pictures: Pictures = { all: [], known: new Map() };
  const findings: { finding: Finding; table: string }[] = [];
  const absent: Unreadable[] = [];
  const columns = new Set<string | undefined>();
  for (const each of tables) {
    const listed = await listInto(pictures, absent, each, signal);
    findings.push(...listed.findings.map((finding) => ({ finding, table: each.table.name })));
    columns.add(listed.column);
  }
  const { all } = pictures;
  const layout = tables.map(({ table }) => table.name).join(', ');
  if (all.every(({ label }) => label === undefined)) throw noLabels(layout);
  return {
    pictures: all,
    classIds: [...new Set(all.flatMap(({ label }) => label ?? []))],
    layout,
    ...(columns.size === 1 && { column: [...columns][0] }),
    isNamed: tables.some(({ table }) => (table.roles?.size ?? 0) > 0),
    absent,
    findings: [...onceForAll(findings), ...splitFindings(layout, all)],
  };
}

/** Several tables may have the same finding, because there can be many shards. It is reported once, for the first of them. */
function onceForAll(findings: readonly { finding: Finding; table: string }[]): Finding[] {
  const alike = groupBy(findings, ({ finding, table }) =>
    finding.level === 'info' ? `${finding.code} ${finding.message.replace(table, '')}` : finding,
  );
  return [...alike.values()].map((same) => {
    const { finding } = same[0]!;
    if (same.length === 1) return finding;
    return {
      ...finding,
      message: `${finding.message} The same is true of ${count(same.length - 1, 'other file')}.`,
    };
  });
}

/** Adds a table's pictures to the known ones (by path) or to the missing ones, and returns findings. */
async function listInto(
  { all, known }: Pictures,
  absent: Unreadable[],
  { table, lookup, split: own, areDistinct }: PictureTable,
  signal?: AbortSignal,
): Promise<{ findings: Finding[]; column?: string }> {
  const columns = columnsOf(table);
  if (!columns) throw missingColumn(table);
  const splits = table.rows.map((row) => columns.split?.(row));
  checkSplits(table, splits);
  const skipped: Skipped = { missing: [], repeated: [], contradictory: [], leaking: [], withoutPath: 0 };
  const paths = table.rows.map((row) => row[columns.path] ?? '');
  const files = await lookup(paths, { split: own, signal });
  const there = new Set<string>();
  const gone = new Set<string>();
  for (const [i, row] of table.rows.entries()) {
    const path = paths[i]!;
    const file = files[i];
    const label = columns.label(row) || undefined;
    const split = splits[i] ?? own;
    if (label !== undefined && path !== '') (file ? there : gone).add(label);
    if (path === '') skipped.withoutPath++;
    else if (!file) skipped.missing.push({ path, reason: 'it does not exist', ...(split && { split }) });
    else {
      const group = columns.group(row);
      const before = areDistinct ? undefined : known.get(keyOf(file)!);
      if (!before) {
        const picture = labelledFile(file, label, split, group);
        all.push(picture);
        if (!areDistinct) known.set(keyOf(file)!, picture);
      } else if (before.label !== label) skipped.contradictory.push(path);
      else if (before.split !== split) {
        skipped.leaking.push(path);
        before.split = heldOut(before.split, split);
      } else skipped.repeated.push(path);
    }
  }
  if (columns.hasBoxes && skipped.contradictory.length > 0)
    throw severalThings(table, skipped.contradictory, new Set(files.map(keyOf)).size);
  if (skipped.missing.length + skipped.withoutPath === table.rows.length)
    throw nothingFound(table, skipped.missing);
  absent.push(...skipped.missing);
  const suspects = columns.split || own ? [] : suspectSplits(table, columns);
  const classes = [...gone].filter((label) => !there.has(label));
  const findings = [
    ...columns.findings,
    ...suspects,
    ...listedFindings(table, skipped),
    ...goneFindings(table, classes),
  ];
  return { findings, column: columns.labelColumn };
}

/** The name of a file among all others. */
const keyOf = (file: SourceFile | undefined) => file?.absolute ?? file?.path;

/**
 * A labelled file without empty fields, because tests compare it. There may be a million of them, so each object gets its fields when it is
 * made.
 */
function labelledFile(file: SourceFile, label?: string, split?: Split, group?: string): LabelledFile {
  if (label === undefined || group)
    return { file, ...(label !== undefined && { label }), ...(split && { split }), ...(group && { group }) };
  return split ? { file, label, split } : { file, label };
}

/** Throws `DataError` if rows name unknown splits: these may be held out, and all rows would be learnt from. */
export function checkSplits(
  table: Table,
  splits: readonly (Split | { unknown: string } | undefined)[],
): asserts splits is (Split | undefined)[] {
  const rows = new Map<string, number>();
  for (const split of splits) {
    if (typeof split === 'object') rows.set(split.unknown, (rows.get(split.unknown) ?? 0) + 1);
  }
  if (rows.size === 0) return;
  const total = [...rows.values()].reduce((a, b) => a + b, 0);
  const names = [...rows.keys()];
  const message = `${table.name} has ${count(total, 'row')} of unknown splits: ${quoted(names)}`;
  throw new DataError(message, {
    code: 'dataset/unknown-split',
    hint: 'Known splits are train, val (or valid, validation, dev) and test (or testing, eval, holdout). Rename the others, or remove their rows.',
    details: { path: table.name, rows: Object.fromEntries(rows) },
  });
}

function listedFindings(table: Table, skipped: Skipped): Finding[] {
  const findings: Finding[] = [];
  const say = (code: string, paths: string[], one: string, many: string) => {
    if (paths.length === 0) return;
    const rows = count(paths.length, `row ${one}`, `rows ${many}`);
    findings.push(warning(code, `${table.name}: ${rows}.`, paths));
  };
  const { missing, repeated, contradictory, leaking, withoutPath } = skipped;
  say(
    'missing-files',
    missing.map(({ path }) => path),
    'is left out, because the file does not exist',
    'are left out, because the files do not exist',
  );
  say('repeated', repeated, 'repeats an earlier one and counts once', 'repeat earlier ones and count once');
  say(
    'contradictory',
    contradictory,
    'has another label than an earlier row for the same file; the first one counts',
    'have another label than an earlier row for the same file; the first one counts',
  );
  say(
    'two-splits',
    leaking,
    'has another split than an earlier row for the same file; test counts before val, and val before train',
    'have another split than an earlier row for the same file; test counts before val, and val before train',
  );
  if (withoutPath > 0) {
    findings.push(
      warning(
        'no-path',
        `${table.name}: ${count(withoutPath, 'row has', 'rows have')} no path and ${plural(withoutPath, 'is', 'are')} left out.`,
      ),
    );
  }
  return findings;
}

function goneFindings(table: Table, classes: string[]): Finding[] {
  if (classes.length === 0) return [];
  const names = `${plural(classes.length, 'the class', 'the classes')} ${quoted(classes)}`;
  return [warning('missing-class', `${table.name}: no file of ${names} exists.`, classes)];
}

/** Reports pictures without a class, and pictures without a split if others have one. */
function splitFindings(layout: string, pictures: LabelledFile[]): Finding[] {
  const findings: Finding[] = [];
  const unlabelled = pictures.filter(({ label }) => label === undefined);
  if (unlabelled.length > 0) {
    const message = `${layout}: ${count(unlabelled.length, 'row has', 'rows have')} no label.`;
    findings.push(warning('unlabelled', message));
  }
  const without = pictures.filter(({ split }) => split === undefined);
  if (without.length === 0 || without.length === pictures.length) return findings;
  const rows = count(without.length, 'row');
  if (pictures.some(({ split }) => split === 'train')) {
    const message = `${layout}: ${rows} without a split, which others have, ${plural(without.length, 'belongs', 'belong')} to no split.`;
    return [
      ...findings,
      warning(
        'no-split',
        message,
        without.map(({ file }) => file.path),
      ),
    ];
  }
  for (const picture of without) picture.split = 'train';
  const message = `${layout}: ${rows} without a split ${plural(without.length, 'is', 'are')} read as train, because no row is.`;
  return [...findings, info('blank-is-train', message)];
}

function severalThings(table: Table, rows: string[], pictures: number): DataError {
  const paths = [...new Set(rows)];
  const several = `${number(paths.length)} of ${count(pictures, 'picture')} show several classes`;
  return new DataError(`${table.name} lists parts of pictures (boxes), and ${several}: ${quoted(paths)}`, {
    code: 'dataset/several-labels',
    hint: 'Take each box as an example (--crop boxes), or write a table with the columns path,label in which each picture has one class.',
    details: { path: table.name, paths: paths.slice(0, 20) },
  });
}

function noLabels(name: string): DataError {
  return new DataError(`No picture of ${name} has a label`, {
    code: 'dataset/no-labels',
    hint: 'Fill the column label with the class of each picture, as text or as a number.',
    details: { path: name },
  });
}

function nothingFound(table: Table, missing: readonly Unreadable[]): DataError {
  const first =
    missing.length > 0 ? ` (the first of ${count(missing.length, 'missing file')}: ${missing[0]!.path})` : '';
  return new DataError(`No row of ${table.name} leads to a picture${first}`, {
    code: 'dataset/empty',
    hint: 'Write paths relative to the folder of the table, or put the pictures into it.',
    details: {
      path: table.name,
      rows: table.rows.length,
      missing: missing.slice(0, 20).map(({ path }) => path),
    },
  });
}
