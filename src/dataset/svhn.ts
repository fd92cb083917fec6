import { posix } from 'node:path';
import { count } from '../words.ts';
import type { LabelledFile, Layout } from './dataset-layout.ts';
import { readMat } from './mat-file.ts';
import { damagedArray, rawPicture } from './raw-pictures.ts';
import type { SourceFile } from './tree.ts';

/** SVHN (Netzer et al., 2011) as cropped digits: `train_32x32.mat`, `test_32x32.mat` and `extra_32x32.mat`. The label 10 is the digit 0. */
export const svhnLayout: Layout = {
  id: 'svhn',
  about: 'SVHN: train_32x32.mat and test_32x32.mat',
  async read({ files, table }) {
    if (table) return undefined;
    const used = files.filter(({ path }) => /(^|\/)(train|test|extra)_32x32\.mat$/.test(path));
    if (used.length === 0) return undefined;
    const pictures: LabelledFile[] = [];
    for (const file of used) pictures.push(...(await picturesOf(file)));
    return { pictures, layout: 'SVHN files', isListed: true, files: used };
  },
};

async function picturesOf(file: SourceFile): Promise<LabelledFile[]> {
  const arrays = await readMat(file);
  const [pixels, labels] = [arrays.get('X'), arrays.get('y')];
  const [height = 0, width = 0, channels = 0, n = 1] = pixels?.sizes ?? [];
  if (!pixels || !labels || channels !== 3 || labels.values.length !== n)
    throw damagedArray(
      file,
      'SVHN',
      `it does not have the arrays X of ${count(n, 'picture')} and y of their labels`,
    );
  const split = posix.basename(file.path).startsWith('test') ? 'test' : 'train';
  return Array.from({ length: n }, (_, i): LabelledFile => {
    const rgb = async () =>
      Uint8Array.from({ length: 3 * height * width }, (_value, at) => {
        const [pixel, channel] = [Math.floor(at / 3), at % 3];
        const [x, y] = [pixel % width, Math.floor(pixel / width)];
        return pixels.values[y + height * (x + width * (channel + 3 * i))]!;
      });
    return {
      file: rawPicture(file, i, [width, height], rgb),
      label: String(Number(labels.values[i]) % 10),
      split,
    };
  });
}
