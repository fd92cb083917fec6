import { posix } from 'node:path';
import { DataError } from '../errors.ts';
import { marksCoopData } from './coop-splits.ts';
import type { Layout } from './dataset-layout.ts';
import { quoted } from './findings.ts';
import { candidateBases } from './folders.ts';
import { indexesOf, isIndexName } from './indexes.ts';
import type { SourceFile } from './tree.ts';

/** Refuses a folder of data sets, each with its own table, because the data sets would be mistaken for classes. */
export const severalSets: Layout = {
  id: 'several',
  about: 'several data sets side by side (refused)',
  async read(tree, { signal }) {
    if ((await indexesOf(tree, signal)).files.length > 0) return undefined;
    const isMark = ({ path }: SourceFile) =>
      marksCoopData(posix.basename(path)) || isIndexName(posix.basename(path));
    const inner = candidateBases(tree).flatMap(({ folders }) =>
      folders.filter(({ others }) => others.some(isMark)),
    );
    if (inner.length === 0) return undefined;
    const names = inner.map(({ name }) => name);
    throw new DataError(`${tree.root} holds several data sets: ${quoted(names)}`, {
      code: 'dataset/several',
      hint: `Give one of them, for example ${tree.root}/${inner[0]!.path.slice(0, -1)}.`,
      details: { root: tree.root, folders: names },
    });
  },
};
