import { posix } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { count, number } from '../words.ts';
import type { LabelledFile, Layout } from './dataset-layout.ts';
import { damagedArray, rawPicture } from './raw-pictures.ts';
import type { SourceFile } from './tree.ts';

const IMAGES = /(^|[-/])(train|t10k|test)-images[-.]idx3-ubyte(\.gz)?$/i;

/** MNIST and the data sets in its format (Fashion-MNIST, EMNIST, KMNIST): IDX files of pictures and labels, also compressed by gzip. */
export const mnistLayout: Layout = {
  id: 'mnist',
  about: 'IDX files as MNIST has them: train-images-idx3-ubyte with train-labels-idx1-ubyte, and t10k',
  async read(tree) {
    if (tree.table) return undefined;
    const files = new Map(tree.files.map((file) => [file.path.replace(/\.gz$/i, ''), file]));
    // torchvision keeps the compressed file beside the unpacked one.
    for (const file of tree.files) if (!/\.gz$/i.test(file.path)) files.set(file.path, file);
    const pictures: LabelledFile[] = [];
    const used: SourceFile[] = [];
    for (const [path, images] of files) {
      if (!IMAGES.test(path)) continue;
      const labels = files.get(path.replace(/images([-.])idx3/i, 'labels$1idx1'));
      if (!labels) throw damagedArray(images, 'IDX', 'the file with its labels is missing');
      pictures.push(...(await picturesOf(images, labels)));
      used.push(images, labels);
    }
    const unpacked = new Set(used.map(({ path }) => `${path}.gz`));
    const others = tree.files.filter(({ path }) => unpacked.has(path));
    return used.length === 0
      ? undefined
      : { pictures, layout: 'IDX files', isListed: true, files: [...used, ...others] };
  },
};

async function picturesOf(images: SourceFile, labels: SourceFile): Promise<LabelledFile[]> {
  const [pixels, classes] = [await idx(images, 3), await idx(labels, 1)];
  const [n = 0, height = 0, width = 0] = pixels.sizes;
  if (classes.sizes[0] !== n)
    throw damagedArray(
      labels,
      'IDX',
      `it has ${count(classes.sizes[0]!, 'label')}, and ${images.path} has ${count(n!, 'picture')}`,
    );
  const split = /train-images/i.test(posix.basename(images.path)) ? 'train' : 'test';
  const size = width * height;
  return Array.from({ length: n }, (_, i): LabelledFile => {
    const grey = pixels.values.subarray(i * size, (i + 1) * size);
    const rgb = async () => Uint8Array.from({ length: 3 * size }, (_, at) => grey[Math.floor(at / 3)]!);
    return { file: rawPicture(images, i, [width, height], rgb), label: String(classes.values[i]), split };
  });
}

const unzip = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(gunzip);
const LARGEST = 2 ** 31;

/** An array of bytes: two zero bytes, the type 8, the number of dimensions, their sizes (big-endian), and the values. */
async function idx(file: SourceFile, dimensions: number): Promise<{ sizes: number[]; values: Uint8Array }> {
  const packed = await file.read();
  const bytes = /\.gz$/i.test(file.path)
    ? await unzip(packed, { maxOutputLength: LARGEST }).catch((cause: Error) => {
        throw damagedArray(file, 'IDX', cause.message, cause);
      })
    : packed;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 4 + 4 * dimensions;
  if (bytes.length < start || view.getUint32(0) !== 0x800 + dimensions)
    throw damagedArray(file, 'IDX', `it is not an array of bytes with ${count(dimensions, 'dimension')}`);
  const sizes = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const expected = sizes.reduce((a, b) => a * b, 1);
  const values = new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  if (values.length !== expected)
    throw damagedArray(
      file,
      'IDX',
      `it should have ${count(expected, 'value')}, and has ${number(values.length)}`,
    );
  return { sizes, values };
}
