import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decode } from '../image/decode.ts';
import { failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;
const read = async (path = '') => labelled(await readDataset(join(own.root, path)));

const PLANE = 1024;
/** A picture of one colour, as CIFAR keeps it: a plane of red, one of green, one of blue. */
const planes = (...rgb: number[]) => Buffer.concat(rgb.map((level) => Buffer.alloc(PLANE, level)));

/** A pickle as Python 2 wrote it for CIFAR (protocol 2), of texts, numbers, lists and an array of bytes. */
function pickled(entries: Record<string, number[] | string[] | { data: Buffer }>): Buffer {
  const text = (value: string) =>
    Buffer.concat([Buffer.from('U'), Buffer.from([value.length]), Buffer.from(value)]);
  const int = (value: number) => Buffer.from([0x4b, value]);
  const list = (items: (number | string)[]) =>
    Buffer.concat([
      Buffer.from(']('),
      ...items.map((one) => (typeof one === 'number' ? int(one) : text(one))),
      Buffer.from('e'),
    ]);
  const array = (data: Buffer) => {
    const size = Buffer.alloc(5);
    size.write('T', 'latin1');
    size.writeUInt32LE(data.length, 1);
    return Buffer.concat([
      Buffer.from('cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n'),
      Buffer.from([0x4b, 0, 0x85, 0x55, 1, 0x62, 0x87, 0x52]),
      Buffer.from([0x28, 0x4b, 1, 0x4d, data.length / 3072, 0, 0x4d, 0, 12, 0x86]),
      Buffer.from('cnumpy\ndtype\n'),
      Buffer.from([0x55, 2, 0x75, 0x31, 0x4b, 0, 0x4b, 1, 0x87, 0x52]),
      Buffer.from([0x28, 0x4b, 3, 0x55, 1, 0x7c]),
      Buffer.from('NNN'),
      Buffer.from([0x4a, 255, 255, 255, 255, 0x4a, 255, 255, 255, 255, 0x4b, 0, 0x74, 0x62, 0x89]),
      size,
      data,
      Buffer.from('tb'),
    ]);
  };
  const items = Object.entries(entries).flatMap(([key, value]) => [
    text(key),
    Array.isArray(value) ? list(value) : array(value.data),
  ]);
  return Buffer.concat([Buffer.from([0x80, 2]), Buffer.from('}('), ...items, Buffer.from('u.')]);
}

async function colourOf(path: string, i: number) {
  const { examples } = await readDataset(join(own.root, path));
  const { width, height, data } = await decode(await examples[i]!.read());
  return [width, height, ...data.slice(-3)];
}

describe('CIFAR', () => {
  const record = (label: number[], ...rgb: number[]) => Buffer.concat([Buffer.from(label), planes(...rgb)]);

  it('is read in the binary version', async () => {
    await write(
      ['c/batches.meta.txt', 'airplane\nautomobile\n\n'],
      ['c/data_batch_1.bin', Buffer.concat([record([1], 9, 8, 7), record([0], 1, 2, 3)])],
      ['c/test_batch.bin', record([1], 4, 5, 6)],
    );
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'c/data_batch_1.bin/0 automobile train',
      'c/data_batch_1.bin/1 airplane train',
      'c/test_batch.bin/0 automobile test',
    ]);
    expect(warnings(dataset)).toEqual([]);
    expect(finding(dataset, 'found')?.message).toContain('read from CIFAR-10 (binary version)');
    expect(await colourOf('', 1)).toEqual([32, 32, 1, 2, 3]);
  });

  it('is read by its fine labels for CIFAR-100', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `class ${i}`);
    await write(['fine_label_names.txt', names.join('\n')], ['coarse_label_names.txt', 'a\nb']);
    await write(['train.bin', record([7, 42], 1, 2, 3)], ['test.bin', record([7, 99], 4, 5, 6)]);
    expect(await read()).toEqual(['test.bin/0 class 99 test', 'train.bin/0 class 42 train']);
    expect(await colourOf('', 0)).toEqual([32, 32, 4, 5, 6]);
  });

  it('is read in the Python version, as torchvision unpacks it', async () => {
    const folder = 'cifar-10-batches-py';
    await write(
      [`${folder}/batches.meta`, pickled({ label_names: ['cat', 'dog'] })],
      [
        `${folder}/data_batch_1`,
        pickled({ labels: [1, 0], data: { data: Buffer.concat([planes(9, 8, 7), planes(1, 2, 3)]) } }),
      ],
      [`${folder}/test_batch`, pickled({ data: { data: planes(4, 5, 6) }, labels: [1] })],
    );
    expect(await read()).toEqual([
      `${folder}/data_batch_1/0 dog train`,
      `${folder}/data_batch_1/1 cat train`,
      `${folder}/test_batch/0 dog test`,
    ]);
    expect(await colourOf('', 1)).toEqual([32, 32, 1, 2, 3]);
  });

  it('is refused if a file is damaged or a label is out of range', async () => {
    await write(['batches.meta.txt', 'cat\ndog'], ['data_batch_1.bin', record([2], 1, 2, 3)]);
    await expect(read()).rejects.toMatchObject({
      code: 'dataset/arrays',
      message: expect.stringContaining('of class 2'),
    });
    for (const bytes of [record([1], 1, 2, 3).subarray(1), Buffer.alloc(0)]) {
      await write(['data_batch_1.bin', bytes]);
      await expect(read()).rejects.toEqual(failure('arrays'));
    }
    const whole = pickled({ label_names: ['cat', 'dog'] });
    for (const bytes of [whole.subarray(0, -3), Buffer.from('cos\nsystem\n(U\x02lstR.'), Buffer.from('')]) {
      await write(['py/batches.meta', bytes], ['py/data_batch_1', '']);
      await expect(read('py')).rejects.toEqual(failure('arrays'));
    }
    await write(['none/data_batch_1.bin', record([1], 1, 2, 3)]);
    await expect(read('none')).rejects.toMatchObject({
      code: 'dataset/foreign',
      hint: expect.stringContaining('batches.meta'),
    });
  });
});

describe('IDX files', () => {
  const idx = (sizes: number[], values: number[]) => {
    const head = Buffer.alloc(4 + 4 * sizes.length);
    head.writeUInt32BE(0x800 + sizes.length);
    for (const [i, size] of sizes.entries()) head.writeUInt32BE(size, 4 + 4 * i);
    return Buffer.concat([head, Buffer.from(values)]);
  };

  it('are read in the form of MNIST and torchvision', async () => {
    const images = idx([2, 1, 2], [1, 2, 3, 4]);
    await write(
      ['MNIST/raw/train-images-idx3-ubyte', images],
      ['MNIST/raw/train-images-idx3-ubyte.gz', gzipSync(images)],
      ['MNIST/raw/train-labels-idx1-ubyte.gz', gzipSync(idx([2], [7, 3]))],
      ['MNIST/raw/t10k-images-idx3-ubyte.gz', gzipSync(idx([1, 1, 2], [5, 6]))],
      ['MNIST/raw/t10k-labels-idx1-ubyte.gz', gzipSync(idx([1], [7]))],
    );
    expect(await read()).toEqual([
      'MNIST/raw/t10k-images-idx3-ubyte.gz/0 7 test',
      'MNIST/raw/train-images-idx3-ubyte/0 7 train',
      'MNIST/raw/train-images-idx3-ubyte/1 3 train',
    ]);
    expect(warnings(await readDataset(own.root))).toEqual(['codes']);
    expect(await colourOf('', 2)).toEqual([2, 1, 4, 4, 4]);
  });

  it('are refused if they are damaged or contradict each other', async () => {
    await write(['train-images-idx3-ubyte', idx([2, 1, 1], [1, 2])]);
    await expect(read()).rejects.toMatchObject({ message: expect.stringContaining('labels is missing') });
    for (const labels of [idx([3], [1, 2, 3]), idx([2], [1]), Buffer.from('text'), Buffer.alloc(0)]) {
      await write(['train-labels-idx1-ubyte', labels]);
      await expect(read()).rejects.toEqual(failure('arrays'));
    }
    await write(
      ['train-labels-idx1-ubyte', idx([2], [0, 1])],
      ['train-images-idx3-ubyte', idx([2, 1, 1], [1])],
    );
    await expect(read()).rejects.toEqual(failure('arrays'));
  });
});
