import { stat } from 'node:fs/promises';
import { dirname, posix, resolve } from 'node:path';
import { DataError, throwIfAborted } from '../errors.ts';
import { type Labelled, type LabelledFile, splitNamed } from './folders.ts';
import { diskFile, type SourceFile, type Tree } from './source.ts';
import { columnOf, type Table } from './table.ts';
import type { Finding, Split } from './types.ts';
import { count, quoted, warning } from './wording.ts';

const PATH_COLUMNS = ['path', 'file_name', 'filename', 'file', 'image'];
const LABEL_COLUMNS = ['label', 'class', 'category'];

/** Finds the file that a table's row names, or nothing. */
export type Lookup = (path: string) => Promise<SourceFile | undefined>;

/** Files of a tree by their path relative to `base` ('' or ending with `/`); nothing outside the tree is found. */
export function lookupInTree(tree: Tree, base: string): Lookup {
  const files = new Map(tree.files.map((file) => [file.path.normalize('NFC'), file]));
  return async (path) => files.get(posix.join(base, path).normalize('NFC'));
}

/** Files on disk, relative to the folder of a table that a person named, or absolute. */
export function lookupOnDisk(table: string): Lookup {
  const folder = dirname(table);
  return async (path) => {
    for (const form of new Set([path, path.normalize('NFC'), path.normalize('NFD')])) {
      const absolute = resolve(folder, form);
      const found = await stat(absolute).catch(() => undefined);
      if (found?.isFile()) return diskFile(posix.normalize(path), absolute);
    }
    return undefined;
  };
}

/** Whether the table names a label for each path, so that it describes a data set. */
export function hasLabels(table: Table): boolean {
  return columnOf(table, PATH_COLUMNS) !== undefined && columnOf(table, LABEL_COLUMNS) !== undefined;
}

interface Skipped {
  missing: string[];
  repeated: string[];
  contradictory: string[];
  withoutPath: number;
  /** Rows by the split value that means nothing. */
  splits: Map<string, number>;
}

/**
 * The pictures that a table lists: columns path and label, and, if there, split and group. `split` is for rows that name none.
 * Rows without their file are left out and said. Throws `DataError` when a column or every file is missing.
 */
export async function readListed(
  table: Table,
  lookup: Lookup,
  { split, signal }: { split?: Split; signal?: AbortSignal } = {},
): Promise<Labelled> {
  const pathColumn = columnOf(table, PATH_COLUMNS);
  const labelColumn = columnOf(table, LABEL_COLUMNS);
  if (!pathColumn || !labelColumn) throw missingColumn(table, pathColumn ? 'label' : 'path');
  const skipped: Skipped = {
    missing: [],
    repeated: [],
    contradictory: [],
    withoutPath: 0,
    splits: new Map(),
  };
  const pictures = new Map<string, LabelledFile>();
  const files = await findAll(
    table.rows.map(({ values }) => values[pathColumn] ?? ''),
    lookup,
    signal,
  );
  for (const [i, { values }] of table.rows.entries()) {
    const path = values[pathColumn] ?? '';
    const file = files[i];
    const named = values.split ? splitNamed(values.split) : split;
    if (path === '') skipped.withoutPath++;
    else if (!file) skipped.missing.push(path);
    else if (values.split && !named) {
      skipped.splits.set(values.split, (skipped.splits.get(values.split) ?? 0) + 1);
    } else {
      const label = (values[labelColumn] ?? '').normalize('NFC');
      const before = pictures.get(file.path);
      if (before)
        (before.label === (label || undefined) ? skipped.repeated : skipped.contradictory).push(path);
      else {
        pictures.set(file.path, {
          file,
          ...(label && { label }),
          ...(named && { split: named }),
          ...(values.group && { group: values.group }),
        });
      }
    }
  }
  if (pictures.size === 0) throw nothingFound(table, skipped.missing);
  const labels = [...pictures.values()].flatMap(({ label }) => label ?? []);
  return {
    pictures: [...pictures.values()],
    classIds: labels,
    layout: table.name,
    findings: listedFindings(table, skipped, pictures.size - labels.length),
  };
}

async function findAll(
  paths: string[],
  lookup: Lookup,
  signal?: AbortSignal,
): Promise<(SourceFile | undefined)[]> {
  const found: (SourceFile | undefined)[] = [];
  const atOnce = 64;
  for (let at = 0; at < paths.length; at += atOnce) {
    throwIfAborted(signal);
    const part = paths.slice(at, at + atOnce).map(async (path) => {
      if (path === '') return undefined;
      // Windows writes the folders of a path with a backslash; on other systems that is a letter of a name.
      return (await lookup(path)) ?? (path.includes('\\') ? lookup(path.replaceAll('\\', '/')) : undefined);
    });
    found.push(...(await Promise.all(part)));
  }
  return found;
}

function listedFindings(table: Table, skipped: Skipped, unlabelled: number): Finding[] {
  const findings: Finding[] = [];
  const say = (code: string, paths: string[], message: string) => {
    if (paths.length > 0) findings.push(warning(code, message, paths));
  };
  const rows = (n: number) => count(n, 'row');
  const { missing, repeated, contradictory, withoutPath, splits } = skipped;
  say(
    'missing-files',
    missing,
    `${table.name}: ${rows(missing.length)} with no such file next to the table: left out.`,
  );
  say('repeated', repeated, `${table.name}: ${rows(repeated.length)} repeated: counted once.`);
  say(
    'contradictory',
    contradictory,
    `${table.name}: ${rows(contradictory.length)} with another label than an earlier row for the same file: the first one counts.`,
  );
  if (withoutPath > 0) {
    findings.push(warning('no-path', `${table.name}: ${rows(withoutPath)} without a path: left out.`));
  }
  if (splits.size > 0) {
    const n = [...splits.values()].reduce((a, b) => a + b, 0);
    const message = `${table.name}: ${rows(n)} of split ${quoted([...splits.keys()])}: left out (train, val and test are known).`;
    findings.push(warning('unknown-split', message));
  }
  if (unlabelled > 0)
    findings.push(warning('unlabelled', `${table.name}: ${rows(unlabelled)} without a label.`));
  return findings;
}

function missingColumn(table: Table, column: 'path' | 'label'): DataError {
  const found = table.columns.length > 0 ? `found ${quoted(table.columns)}` : 'the file is empty';
  return new DataError(`${table.name} has no column "${column}" (${found})`, {
    code: 'dataset/column',
    hint: 'The first line names the columns: path,label and, if known, split and group. For example:\n  path,label\n  images/1.jpg,cat',
    details: { path: table.name, column, columns: table.columns },
  });
}

function nothingFound(table: Table, missing: string[]): DataError {
  const first = missing.length > 0 ? ` (the first: ${missing[0]})` : '';
  return new DataError(
    `None of the ${count(table.rows.length, 'row')} of ${table.name} leads to a picture${first}`,
    {
      code: 'dataset/empty',
      hint: 'Paths are relative to the folder the table lies in, or, in a table that is named itself, absolute.',
      details: { path: table.name, rows: table.rows.length, missing: missing.slice(0, 20) },
    },
  );
}
