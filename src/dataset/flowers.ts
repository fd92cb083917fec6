import { posix } from 'node:path';
import type { Layout } from './dataset-layout.ts';
import { readListed } from './listed.ts';
import { lookupInTree } from './lookup.ts';
import { readMat } from './mat-file.ts';
import { damagedArray } from './raw-pictures.ts';
import { tableOf } from './text-files.ts';

const SETS = [
  ['trnid', 'train'],
  ['valid', 'val'],
  ['tstid', 'test'],
] as const;

/** Oxford Flowers 102 (Nilsback and Zisserman, 2008): `jpg/image_00001.jpg` with `imagelabels.mat` and `setid.mat`. The classes are numbers. */
export const flowersLayout: Layout = {
  id: 'flowers',
  about: 'Oxford Flowers 102: jpg/ with imagelabels.mat and setid.mat',
  async read(tree, { signal }) {
    const named = (name: string) => tree.files.find(({ path }) => posix.basename(path) === name);
    const [labels, sets] = [named('imagelabels.mat'), named('setid.mat')];
    if (tree.table || !labels || !sets) return undefined;
    const classes = (await readMat(labels)).get('labels')?.values;
    if (!classes) throw damagedArray(labels, 'labels of Flowers 102', 'it has no array "labels"');
    const splits = new Map<number, string>();
    const parts = await readMat(sets);
    for (const [name, split] of SETS)
      for (const id of Array.from(parts.get(name)?.values ?? [])) splits.set(id, split);
    const rows = Array.from(classes, (label, i) => ({
      path: `image_${String(i + 1).padStart(5, '0')}.jpg`,
      label: String(label),
      split: splits.get(i + 1) ?? '',
    }));
    const base = posix.join(posix.dirname(labels.path), 'jpg/');
    const table = tableOf(labels.path, rows);
    const listed = await readListed([{ table, lookup: lookupInTree(tree, base) }], signal);
    return { ...listed, layout: 'Flowers 102', isListed: true, files: [labels, sets] };
  },
};
