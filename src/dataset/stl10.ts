import { posix } from 'node:path';
import { count } from '../words.ts';
import type { LabelledFile, Layout } from './dataset-layout.ts';
import { damagedArray, rawPicture, readOnce } from './raw-pictures.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile } from './tree.ts';

const SIDE = 96;
const PIXELS = SIDE * SIDE;

/** STL-10 (Coates et al., AISTATS 2011), as torchvision unpacks it: pictures of 96 x 96 pixels, a channel after the other, each by columns. */
export const stl10Layout: Layout = {
  id: 'stl10',
  about: 'STL-10: train_X.bin with train_y.bin, test_X.bin with test_y.bin, and class_names.txt',
  async read({ files, table }) {
    if (table) return undefined;
    const all = files.filter(({ path }) => /(^|\/)(train|test)_X\.bin$/.test(path));
    if (all.length === 0) return undefined;
    const pictures: LabelledFile[] = [];
    for (const file of all) pictures.push(...(await picturesOf(file, files)));
    const used = files.filter(({ path }) =>
      /(^|\/)((train|test|unlabeled)_[Xy]\.bin|class_names\.txt|fold_indices\.txt)$/.test(path),
    );
    const list = used.find(({ path }) => posix.basename(path) === 'class_names.txt');
    const named = list ? decodeText(await list.read(), list.path).split(/\r?\n/) : [];
    const names = new Map(named.filter(Boolean).map((name, i) => [String(i + 1), name]));
    return { pictures, layout: 'STL-10 files', isListed: true, files: used, ...(list && { names }) };
  },
};

async function picturesOf(file: SourceFile, files: readonly SourceFile[]): Promise<LabelledFile[]> {
  const labels = files.find(({ path }) => path === file.path.replace(/_X\.bin$/, '_y.bin'));
  if (!labels) throw damagedArray(file, 'STL-10', 'the file with its labels is missing');
  const classes = await labels.read();
  const bytes = readOnce(file);
  const { length } = await bytes();
  if (length !== 3 * PIXELS * classes.length)
    throw damagedArray(
      file,
      'STL-10',
      `it has ${count(length, 'byte')}, and ${labels.path} has ${count(classes.length, 'label')}`,
    );
  const split = posix.basename(file.path).startsWith('train') ? 'train' : 'test';
  return Array.from(classes, (label, i): LabelledFile => {
    const rgb = async () => {
      const own = (await bytes()).subarray(3 * PIXELS * i, 3 * PIXELS * (i + 1));
      return Uint8Array.from({ length: 3 * PIXELS }, (_, at) => {
        const [pixel, channel] = [Math.floor(at / 3), at % 3];
        const [x, y] = [pixel % SIDE, Math.floor(pixel / SIDE)];
        return own[channel * PIXELS + x * SIDE + y]!;
      });
    };
    return { file: rawPicture(file, i, [SIDE, SIDE], rgb), label: String(label), split };
  });
}
