import { posix } from 'node:path';
import { isImagePath } from '../image/image-paths.ts';
import { count } from '../words.ts';
import { jsonIn } from './annotations.ts';
import { archiveStem, isTarName } from './archive-names.ts';
import { columnsOf } from './columns.ts';
import type { Layout } from './dataset-layout.ts';
import { warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { readListed } from './listed.ts';
import { lookupInTree } from './lookup.ts';
import { withRoles } from './named-columns.ts';
import { columnsAsked } from './read-table.ts';
import { splitNamed } from './splits.ts';
import { decodeText, type Row, tableOf } from './text-files.ts';
import type { SourceFile, Tree } from './tree.ts';

/**
 * Samples of WebDataset: files that share their path up to the first dot of the name. `cls` has the number of the class, and `json` further
 * facts. In a tar archive, `txt` has the class if texts repeat (captions do not repeat).
 */
export const webdatasetLayout: Layout = {
  id: 'webdataset',
  about: 'samples of WebDataset: 000.jpg with 000.cls, 000.json or 000.txt, in tar archives or unpacked',
  async read(tree, { signal }) {
    if (tree.table || !tree.files.some(isNote)) return undefined;
    const samples = groupBy(tree.files, ({ path }) => keyOf(path));
    const rows: Row[] = [];
    const notes: SourceFile[] = [];
    const alone: string[] = [];
    for (const files of samples.values()) {
      const pictures = files.filter(({ path }) => isImagePath(path));
      const own = files.filter(isNote);
      if (pictures.length === 0) alone.push(...own.map(({ path }) => path));
      const said = pictures.length > 0 ? await notesByColumn(own, tree) : {};
      notes.push(...own);
      rows.push(...pictures.map(({ path }) => ({ ...said, path })));
    }
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const whole = rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column] ?? ''])));
    const names = new Map(columnsAsked(tree));
    names.delete('path');
    const bare = tableOf('the samples', whole);
    const written = new Map(
      bare.columns.map((column) => [column, column === 'class_index' ? 'cls' : column]),
    );
    const found = { ...bare, written };
    const all = names.size > 0 ? withRoles(found, names) : found;
    if (!columnsOf(all)) return undefined;
    const tables = [...groupBy(whole, ({ path }) => shardOf(tree, path!))].map(([shard, own]) => ({
      table: { ...all, name: shard, rows: own },
      lookup: lookupInTree(tree, ''),
      split: splitNamed(archiveStem(shard)),
    }));
    const listed = await readListed(tables, signal);
    const findings = [...listed.findings];
    if (alone.length > 0)
      findings.push(
        warning(
          'stray-annotations',
          `${count(alone.length, 'note without a picture is', 'notes without a picture are')} left out.`,
          alone,
        ),
      );
    return { ...listed, layout: 'samples of WebDataset', isListed: true, files: notes, findings };
  },
};

const isNote = ({ path }: SourceFile) => /\.(cls|json|txt)$/i.test(path);

/** The part of a path that the files of a sample share. */
function keyOf(path: string): string {
  const name = posix.basename(path);
  return path.slice(0, path.length - name.length) + name.replace(/(?<=.)\..*$/, '');
}

/** The archive that a picture lies in. */
function shardOf(tree: Tree, path: string): string {
  return path.split('/').find(isTarName) ?? tree.name;
}

/** The contents of a sample's notes, by column. */
async function notesByColumn(notes: readonly SourceFile[], tree: Tree): Promise<Row> {
  const row: Record<string, string> = {};
  for (const file of notes) {
    const ending = posix.extname(file.path).toLowerCase();
    if (ending === '.json') {
      const value = await jsonIn(file);
      for (const [key, own] of Object.entries(typeof value === 'object' && value !== null ? value : {}))
        if (['string', 'number', 'boolean'].includes(typeof own)) row[`${key.toLowerCase()}`] = String(own);
    } else if (ending === '.cls' || `${tree.root}/${file.path}`.split('/').some(isTarName)) {
      row[ending === '.cls' ? 'class_index' : 'txt'] = decodeText(await file.read(), file.path).trim();
    }
  }
  return row;
}
