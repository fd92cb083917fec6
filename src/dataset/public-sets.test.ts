import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decode } from '../image/decode.ts';
import { failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;
const read = async (path = '') => labelled(await readDataset(join(own.root, path)));

async function pixelsOf(i: number) {
  const { examples } = await readDataset(own.root);
  return decode(await examples[i]!.read());
}

/** A data element of a MAT-file, padded to 8 bytes. */
function element(type: number, data: Buffer): Buffer {
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(type, 0);
  tag.writeUInt32LE(data.length, 4);
  return Buffer.concat([tag, data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
}

/** A MAT-file with arrays of bytes, compressed as SciPy and MATLAB write them. Names of up to four letters are in the tag of their element. */
function mat(arrays: Record<string, { sizes: number[]; values: Uint8Array }>): Buffer {
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file');
  header.set([0, 1, 0x49, 0x4d], 124);
  const packed = Object.entries(arrays).map(([name, { sizes, values }]) => {
    const numbers = Buffer.from(Int32Array.from(sizes).buffer);
    const title = Buffer.alloc(8);
    title.writeUInt32LE(1 + 2 ** 16 * name.length, 0);
    title.write(name, 4);
    const parts = [
      element(6, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0])),
      element(5, numbers),
      name.length > 4 ? element(1, Buffer.from(name)) : title,
      element(2, Buffer.from(values)),
    ];
    const bytes = deflateSync(element(14, Buffer.concat(parts)));
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(15, 0);
    tag.writeUInt32LE(bytes.length, 4);
    return Buffer.concat([tag, bytes]);
  });
  return Buffer.concat([header, ...packed]);
}

describe('STL-10', () => {
  it('is read with its names, a channel after the other and by columns', async () => {
    const picture = Buffer.alloc(3 * 96 * 96);
    // The second row of the first column is red, the second column of the first row green.
    picture[1] = 200;
    picture[96 * 96 + 96] = 100;
    await write(['test_X.bin', Buffer.concat([picture, picture])], ['test_y.bin', Buffer.from([2, 1])]);
    await write(
      ['class_names.txt', 'airplane\nbird\n'],
      ['train_X.bin', picture],
      ['train_y.bin', Buffer.from([1])],
    );
    expect(await read()).toEqual(['test_X.bin/0 2 test', 'test_X.bin/1 1 test', 'train_X.bin/0 1 train']);
    const { classes } = await readDataset(own.root);
    expect(classes.map(({ name }) => name)).toEqual(['airplane', 'bird']);
    const { width, height, data } = await pixelsOf(0);
    expect([width, height, ...data.subarray(96 * 3, 96 * 3 + 3), ...data.subarray(3, 6)]).toEqual([
      ...[96, 96],
      ...[200, 0, 0],
      ...[0, 100, 0],
    ]);
    await write(['train_y.bin', Buffer.from([1, 1])]);
    await expect(read()).rejects.toEqual(failure('arrays'));
  });
});

describe('MAT-files', () => {
  const digits = (...labels: number[]) => {
    const values = new Uint8Array(2 * 3 * 3 * labels.length);
    // Row 1, column 2, green of the first picture.
    values[1 + 2 * (2 + 3 * 1)] = 77;
    return mat({
      X: { sizes: [2, 3, 3, labels.length], values },
      y: { sizes: [labels.length, 1], values: Uint8Array.from(labels) },
    });
  };

  it('of SVHN are read; the label 10 is the digit 0', async () => {
    await write(['train_32x32.mat', digits(1, 10)], ['test_32x32.mat', digits(10)]);
    expect(await read()).toEqual([
      'test_32x32.mat/0 0 test',
      'train_32x32.mat/0 1 train',
      'train_32x32.mat/1 0 train',
    ]);
    const { width, height, data } = await pixelsOf(1);
    expect([width, height, ...data.subarray(15, 18)]).toEqual([3, 2, 0, 77, 0]);
  });

  it('of Flowers 102 are read with their splits', async () => {
    const row = (...numbers: number[]) => ({ sizes: [1, numbers.length], values: Uint8Array.from(numbers) });
    await write('jpg/image_00001.jpg', 'jpg/image_00002.jpg', 'jpg/image_00003.jpg');
    await write(['imagelabels.mat', mat({ labels: row(77, 5, 77) })]);
    await write(['setid.mat', mat({ trnid: row(3, 2), valid: row(1), tstid: row() })]);
    expect(await read()).toEqual([
      'jpg/image_00001.jpg 77 val',
      'jpg/image_00002.jpg 5 train',
      'jpg/image_00003.jpg 77 train',
    ]);
  });

  it('that are damaged, or of another version, are refused', async () => {
    const whole = digits(1, 2);
    const v73 = Buffer.concat([Buffer.from('MATLAB 7.3 MAT-file'), Buffer.alloc(200)]);
    const changed = whole.map((byte, i) => (i === 150 ? byte ^ 255 : byte));
    for (const bytes of [whole.subarray(0, 140), whole.subarray(0, -9), v73, changed, Buffer.alloc(0)]) {
      await write(['train_32x32.mat', bytes]);
      await expect(read()).rejects.toEqual(failure('arrays'));
    }
  });
});

describe('GTSRB', () => {
  it('is read from the tables of its classes, in PPM; a table of test pictures alone is not learnt from', async () => {
    const head = 'Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n';
    const ppm = Buffer.concat([Buffer.from('P6\n4 2\n255\n'), Buffer.alloc(24, 9)]);
    const test = 'GTSRB/Final_Test/Images/00000.ppm';
    await write([test, ppm], ['GT-final_test.csv', `${head}00000.ppm;4;2;1;0;3;2;1\n`]);
    expect(await read()).toEqual([`${test} 1 test`]);
    const training = [0, 1].map((id) => `GTSRB/Training/0000${id}`);
    for (const [id, folder] of training.entries()) {
      await write([`${folder}/00000_00000.ppm`, ppm]);
      await write([`${folder}/GT-0000${id}.csv`, `${head}00000_00000.ppm;4;2;1;0;3;2;${id}\n`]);
    }
    const expected = training.map((folder, id) => `${folder}/00000_00000.ppm ${id} train`);
    expect(await read()).toEqual([`${test} 1 test`, ...expected]);
    const { examples } = await readDataset(own.root, { crop: 'boxes' });
    expect(await decode(await examples[1]!.read())).toMatchObject({ width: 2, height: 2 });
  });
});

describe('Tiny ImageNet', () => {
  it('is read with its names; the pictures of test have no labels', async () => {
    await write('train/n01443537/images/n01443537_0.JPEG', 'train/n01629819/images/n01629819_0.JPEG');
    await write('val/images/val_0.JPEG', 'test/images/test_0.JPEG');
    await write(
      ['train/n01443537/n01443537_boxes.txt', 'n01443537_0.JPEG\t0\t0\t9\t9\n'],
      ['val/val_annotations.txt', 'val_0.JPEG\tn01629819\t0\t32\t44\t62\n'],
      ['wnids.txt', 'n01629819\nn01443537\n'],
      ['words.txt', 'n01443537\tgoldfish, Carassius auratus\nn01629819\tfire salamander\n'],
    );
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'train/n01443537/images/n01443537_0.JPEG n01443537 train',
      'train/n01629819/images/n01629819_0.JPEG n01629819 train',
      'val/images/val_0.JPEG n01629819 val',
    ]);
    expect(dataset.classes.map(({ name }) => name)).toEqual(['goldfish', 'fire salamander']);
    expect(finding(dataset, 'unlisted')?.paths).toEqual(['test/images/test_0.JPEG']);
    expect(warnings(dataset)).toEqual([]);
  });
});
