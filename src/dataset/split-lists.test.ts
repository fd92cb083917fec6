import { describe, expect, it } from 'vitest';
import { finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;
const photos = ['cat/1.jpg', 'cat/2.jpg', 'dog/1.jpg', 'dog/2.jpg'];
const EXPECTED = ['cat/1.jpg cat train', 'cat/2.jpg cat test', 'dog/1.jpg dog train', 'dog/2.jpg dog test'];
const read = async () => {
  const dataset = await readDataset(own.root);
  return { dataset, rows: labelled(dataset).map((row) => row.replace(/^images\//, '')) };
};

describe('lists of splits beside class folders', () => {
  it.each([
    ['Food-101', 'images/', { 'meta/train.txt': 'cat/1\ndog/1\n', 'meta/test.txt': 'cat/2\r\ndog/2' }],
    [
      'a list with labels',
      '',
      { 'trainlist01.txt': 'cat/1.jpg 1\ndog/1.jpg 2', 'testlist01.txt': 'cat/2.jpg\ndog/2.jpg' },
    ],
    [
      'paths of another machine',
      '',
      { 'train.txt': '/home/me/x/cat/1.jpg\nC:\\x\\dog\\1.jpg', 'test.txt': './cat/2.jpg\ndog/2.jpg' },
    ],
    [
      'CUB',
      'images/',
      {
        'images.txt': '1 cat/1.jpg\n2 cat/2.jpg\n3 dog/1.jpg\n4 dog/2.jpg',
        'train_test_split.txt': '1 1\n2 0\n3 1\n4 0',
      },
    ],
  ])('%s', async (_, folder, lists) => {
    await write(...photos.map((path) => folder + path), ...Object.entries(lists));
    const { dataset, rows } = await read();
    expect(rows).toEqual(EXPECTED);
    expect(warnings(dataset)).toEqual([]);
    expect(finding(dataset, 'split-lists')?.message).toContain('The splits are read from');
  });

  it('of numbered divisions, as in DTD, are read from the first division, and the others are named', async () => {
    await write(...photos.map((path) => `images/${path}`));
    await write(['labels/train1.txt', 'cat/1.jpg\ndog/1.jpg'], ['labels/train2.txt', 'cat/2.jpg\ndog/2.jpg']);
    await write(['labels/test1.txt', 'cat/2.jpg\ndog/2.jpg'], ['labels/test2.txt', 'cat/1.jpg\ndog/1.jpg']);
    const { dataset, rows } = await read();
    expect(rows).toEqual(EXPECTED);
    expect(finding(dataset, 'split-lists')?.message).toBe(
      'The splits are read from "labels/test1.txt", "labels/train1.txt". "labels/test2.txt", "labels/train2.txt" are another division and not used.',
    );
  });

  it('are read with a count of lines without a picture and of pictures in two lists', async () => {
    await write(
      ...photos,
      ['train.txt', 'cat/1.jpg\ndog/1.jpg\ncat/2.jpg\ngone/3.jpg'],
      ['test.txt', 'cat/2.jpg\ndog/2.jpg'],
    );
    const { dataset, rows } = await read();
    expect(rows).toEqual(EXPECTED);
    expect(warnings(dataset)).toEqual(['missing-files', 'two-splits']);
    expect(finding(dataset, 'missing-files')?.paths).toEqual(['gone/3.jpg']);
  });

  it('of Oxford-IIIT Pets also give the classes, and its boxes are not used', async () => {
    await write('pets/images/Great_Dane_1.jpg', 'pets/images/pug_2.jpg', 'pets/images/pug_3.jpg');
    await write(['pets/annotations/trainval.txt', 'Great_Dane_1 1 2 1\npug_2 2 2 2\n']);
    await write([
      'pets/annotations/test.txt',
      '#Image CLASS-ID SPECIES BREED ID\npug_3 2 2 2\npug_4 2 2 2\n',
    ]);
    await write([
      'pets/annotations/xmls/pug_2.xml',
      '<annotation><object><name>dog</name></object></annotation>',
    ]);
    const { dataset, rows } = await read();
    expect(rows).toEqual([
      'pets/images/pug_3.jpg pug test',
      'pets/images/Great_Dane_1.jpg Great_Dane train',
      'pets/images/pug_2.jpg pug train',
    ]);
    expect(warnings(dataset)).toEqual(['missing-files']);
  });

  it('are not read if they list other things or have no training split', async () => {
    await write(...photos, ['train.txt', 'lr 0.1\nepochs 3'], ['test.txt', 'ok']);
    const { dataset, rows } = await read();
    expect(rows.every((row) => row.split(' ').length === 2)).toBe(true);
    expect(warnings(dataset)).toEqual(['split-files']);
    await write(['train.txt', ''], ['test.txt', 'cat/2.jpg']);
    expect(warnings((await read()).dataset)).toEqual(['split-files']);
  });
});
