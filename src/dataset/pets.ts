import { posix } from 'node:path';
import type { Layout } from './dataset-layout.ts';
import { type PictureTable, readListed } from './listed.ts';
import { lookupInTree } from './lookup.ts';
import { decodeText, tableOf } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** `Abyssinian_100 1 1 1`: a picture, the numbers of its class, of its species and of its breed. */
const LINE = /^(\S+)_\d+\s+\d+\s+\d+\s+\d+$/;

/** Oxford-IIIT Pets (Parkhi et al., CVPR 2012): `images/` with `annotations/trainval.txt` and `annotations/test.txt`. */
export const petsLayout: Layout = {
  id: 'pets',
  about: 'Oxford-IIIT Pets: images/ with annotations/trainval.txt and annotations/test.txt',
  async read(tree, { signal }) {
    const lists = tree.files.filter(({ path }) => /(^|\/)annotations\/(trainval|test)\.txt$/.test(path));
    if (tree.table || lists.length === 0) return undefined;
    const tables: PictureTable[] = [];
    for (const file of lists) {
      const lines = await linesOf(file);
      if (lines.length === 0 || !lines.every((line) => LINE.test(line))) return undefined;
      const rows = lines.map((line) => ({ path: line.split(/\s/)[0]!, label: LINE.exec(line)![1]! }));
      const base = posix.join(posix.dirname(file.path), '../images/');
      const split = posix.basename(file.path) === 'test.txt' ? 'test' : 'train';
      tables.push({ table: tableOf(file.path, rows), lookup: lookupInTree(tree, base), split });
    }
    const others = tree.files.filter(({ path }) => /(^|\/)annotations\//.test(path));
    return { ...(await readListed(tables, signal)), isListed: true, files: others };
  },
};

async function linesOf(file: SourceFile): Promise<string[]> {
  const lines = decodeText(await file.read(), file.path).split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}
