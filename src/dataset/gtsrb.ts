import { posix } from 'node:path';
import { count } from '../words.ts';
import { asksBoxes, readBoxTables } from './box-tables.ts';
import type { Layout } from './dataset-layout.ts';
import { readListed } from './listed.ts';
import { lookupInTree } from './lookup.ts';
import { readTable } from './read-table.ts';

const TABLE = /(^|\/)GT-(\d{5}|final_test)\.csv$/i;

/**
 * The German Traffic Sign Recognition Benchmark, as torchvision unpacks it: `Training/00000/` with `GT-00000.csv`, and the test pictures with
 * `GT-final_test.csv`.
 */
export const gtsrbLayout: Layout = {
  id: 'gtsrb',
  about: 'GTSRB: GT-00000.csv in the folder of each class, and GT-final_test.csv',
  async read(tree, { signal }) {
    const files = tree.table ? [] : tree.files.filter(({ path }) => TABLE.test(path));
    if (!files.some(({ path }) => /\d\.csv$/i.test(path))) return undefined;
    const tables = await Promise.all(
      files.map(async (file) => {
        const isTest = /test\.csv$/i.test(file.path);
        const base = isTest ? '' : posix.join(posix.dirname(file.path), '/');
        const split: 'test' | 'train' = isTest ? 'test' : 'train';
        return { file, base, split, table: await readTable(tree, file) };
      }),
    );
    const placed = tables.map(({ table, base, split }) => ({
      table,
      lookup: lookupInTree(tree, base),
      split,
    }));
    const labelled = asksBoxes(tree, tables)
      ? await readBoxTables(tree, tables, signal)
      : await readListed(placed, signal);
    return {
      ...labelled,
      layout: count(files.length, 'table of GTSRB', 'tables of GTSRB'),
      isListed: true,
      files,
    };
  },
};
