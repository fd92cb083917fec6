import { posix } from 'node:path';
import type { Layout } from './dataset-layout.ts';
import { readListed } from './listed.ts';
import { lookupInTree } from './lookup.ts';
import { splitNamed } from './splits.ts';
import { parseTable } from './text-files.ts';

/** Roboflow's table of multi-label classification in each split's folder: a column of 0 and 1 for each class. */
export const roboflowLayout: Layout = {
  id: 'roboflow',
  about: '_classes.csv of Roboflow in the folders of the splits, with one class in each row',
  async read(tree, { signal }) {
    const files = tree.files.filter(({ path }) => /(^|\/)_classes\.csv$/i.test(path));
    if (files.length === 0 || tree.table) return undefined;
    const tables = await Promise.all(
      files.map(async (file) => {
        const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
        const table = parseTable(await file.read(), file.path);
        return { table, lookup: lookupInTree(tree, folder), split: splitNamed(posix.basename(folder)) };
      }),
    );
    return { ...(await readListed(tables, signal)), isListed: true, files };
  },
};
