import { posix } from 'node:path';
import { isImagePath } from '../image/image-paths.ts';
import type { LabelledFile, Layout } from './dataset-layout.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** The files that the layout consists of besides pictures. */
const PARTS = /(^|\/)(wnids\.txt|words\.txt|val_annotations\.txt|n\d{8}_boxes\.txt)$/;

/**
 * Tiny ImageNet (Stanford CS231n): `train/<WordNet id>/images/`, and `val/images/` with the classes in `val/val_annotations.txt`. The pictures
 * in `test/` have no labels. Names are in `words.txt`.
 */
export const tinyImagenetLayout: Layout = {
  id: 'tiny-imagenet',
  about: 'Tiny ImageNet: train/<class>/images/, and val/images/ with val/val_annotations.txt',
  async read({ files }) {
    const own = files.find(({ path }) => /(^|\/)val\/val_annotations\.txt$/.test(path));
    const list = files.find(({ path }) => posix.basename(path) === 'wnids.txt');
    if (!own || !list) return undefined;
    const base = own.path.slice(0, -'val/val_annotations.txt'.length);
    const classOf = new Map(
      (await columnsIn(own)).map(([name = '', id]) => [`${base}val/images/${name}`, id]),
    );
    const ids = (await columnsIn(list)).map(([id = '']) => id);
    const words = files.find(({ path }) => path === `${base}words.txt`);
    const names = new Map(words ? ((await columnsIn(words)) as [string, string][]) : []);
    const pictures = files.flatMap((file): LabelledFile[] => {
      if (!isImagePath(file.path) || !file.path.startsWith(base)) return [];
      const [split, id] = file.path.slice(base.length).split('/');
      if (split === 'train') return [{ file, label: id!, split }];
      const label = classOf.get(file.path);
      return label === undefined ? [] : [{ file, label, split: 'val' }];
    });
    return {
      pictures,
      order: ids,
      names: new Map(ids.map((id) => [id, names.get(id)?.split(',')[0] ?? id])),
      isListed: true,
      files: files.filter(({ path }) => PARTS.test(path)),
    };
  },
};

const columnsIn = async (file: SourceFile) =>
  decodeText(await file.read(), file.path)
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
