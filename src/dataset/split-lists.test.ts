import { join } from 'node:path';
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

  it('of SUN397 and Places365 belong to class folders below initials', async () => {
    const sun = ['a/abbey/1.jpg', 'a/abbey/2.jpg', 'b/bow_window/indoor/1.jpg', 'b/bow_window/indoor/2.jpg'];
    const expected = ['abbey train', 'abbey test', 'indoor bow_window train', 'indoor bow_window test'];
    await write(...sun.map((path) => `s/SUN397/${path}`), 's/SUN397/c/other/1.jpg');
    await write(['s/SUN397/ClassName.txt', '/a/abbey\n/b/bow_window/indoor\n']);
    await write(
      ['s/Training_01.txt', `/${sun[0]}\n/${sun[2]}\n`],
      ['s/Testing_01.txt', `/${sun[1]}\n/${sun[3]}`],
    );
    const dataset = await readDataset(join(own.root, 's'));
    expect(labelled(dataset)).toEqual(sun.map((path, i) => `SUN397/${path} ${expected[i]}`));
    expect(finding(dataset, 'outside-classes')?.message).toContain('1 picture is left out');

    const standard = ['a/abbey/1.jpg 0', 'b/bow_window/indoor/1.jpg 1'];
    await write(...sun.map((path) => `p/data_256/${path}`), 'p/val_256/Places365_val_1.jpg');
    await write(['p/categories_places365.txt', '/a/abbey 0\n/b/bow_window/indoor 1']);
    await write(['p/places365_train_standard.txt', standard.map((line) => `/${line}`).join('\n')]);
    await write(['p/places365_val.txt', 'Places365_val_1.jpg 1']);
    const rows = labelled(await readDataset(join(own.root, 'p')));
    expect(rows).toContain('data_256/a/abbey/1.jpg abbey train');
    expect(rows).toContain('val_256/Places365_val_1.jpg indoor bow_window val');
  });

  it('of Places365 without a list for training follow its numbered list, with the numbers of a shortened list of classes', async () => {
    await write('a/abbey/1.jpg', 'c/cabin/1.jpg', 'val/Places365_val_1.jpg', 'val/Places365_val_2.jpg');
    await write(['categories_places365.txt', '/c/cabin 7\n/a/abbey 3']);
    await write(['places365_val.txt', 'Places365_val_1.jpg 7\nPlaces365_val_2.jpg 0']);
    const { rows } = await read();
    expect(rows).toEqual([
      'a/abbey/1.jpg abbey train',
      'c/cabin/1.jpg cabin train',
      'val/Places365_val_1.jpg cabin val',
    ]);
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
