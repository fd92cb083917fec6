import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { matchClasses } from './classes.ts';
import { readDataset } from './read.ts';
import type { Dataset } from './types.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coop-'));
});
afterEach(() => rm(root, { recursive: true }));

/** Writes files. Pictures are empty, because they are only listed. */
async function write(files: Record<string, unknown>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
}

const labelled = ({ classes, examples }: Dataset) =>
  examples.map(({ id, label, split }) => `${split} ${classes[label]!.id} ${id}`);
const finding = ({ findings }: Dataset, code: string) =>
  findings.find((found) => found.code === `dataset/${code}`);
const failure = (code: string) => expect.objectContaining({ code: `dataset/${code}`, exitCode: 3 });

const split = {
  train: [
    ['shark/1.jpg', 1, 'shark_fin'],
    ['bush/1.jpg', 0, 'bush'],
  ],
  val: [['bush/2.jpg', 0, 'bush']],
  test: [
    ['bush/3.jpg', 0, 'bush'],
    ['shark/2.jpg', 1, 'shark_fin'],
  ],
};
const pictures = Object.fromEntries(
  ['shark/1', 'shark/2', 'bush/1', 'bush/2', 'bush/3', 'bush/left-out'].map((name) => [
    `images/${name}.jpg`,
    '',
  ]),
);

describe("CoOp's split files", () => {
  it('number the classes in their own order', async () => {
    const train = [
      ['bush/1.jpg', 2, 'bush'],
      ['shark/1.jpg', 0, 'shark_fin'],
      ['bush/2.jpg', 1, 'wood'],
    ];
    await write({ ...pictures, 'split_zhou_Things.json': { train } });
    const { classes, order } = await readDataset(root);
    expect(order?.map((c) => classes[c]!.id)).toEqual(['shark_fin', 'wood', 'bush']);
  });

  it('list the pictures, which may lie anywhere beside them', async () => {
    await write({ ...pictures, 'annotations/notes.txt': '', 'split_zhou_Things.json': split });
    const dataset = await readDataset(root);
    expect(labelled(dataset)).toEqual([
      'train shark_fin images/shark/1.jpg',
      'train bush images/bush/1.jpg',
      'val bush images/bush/2.jpg',
      'test bush images/bush/3.jpg',
      'test shark_fin images/shark/2.jpg',
    ]);
    expect(dataset.classes.map(({ name }) => name)).toEqual(['bush', 'shark fin']);
    expect(dataset.order).toEqual([0, 1]);
    expect(finding(dataset, 'found')?.message).toContain('read from split_zhou_Things.json');
    expect(finding(dataset, 'unlisted')?.paths).toEqual(['images/bush/left-out.jpg']);
  });

  it('count missing pictures, and classes that a split lacks', async () => {
    const { 'images/shark/2.jpg': _, ...there } = pictures;
    await write({ ...there, 'split_zhou_Things.json': split });
    const dataset = await readDataset(root);
    expect(dataset.examples).toHaveLength(4);
    expect(finding(dataset, 'missing-files')?.paths).toEqual(['shark/2.jpg']);
    expect(
      dataset.findings.filter(({ code }) => code === 'dataset/absent-class').map(({ message }) => message),
    ).toEqual([
      '1 class has no pictures in val: "shark_fin"',
      '1 class has no pictures in test: "shark_fin"',
    ]);
  });

  it('keep a class whose pictures are all absent', async () => {
    const there = Object.fromEntries(Object.entries(pictures).filter(([path]) => path.includes('bush')));
    await write({ ...there, 'split_zhou_Things.json': split });
    const dataset = await readDataset(root);
    expect(dataset.classes.map(({ id }) => id)).toEqual(['bush', 'shark_fin']);
    expect(finding(dataset, 'empty-class')?.paths).toEqual(['shark_fin']);
  });

  it('keep classes with the same name apart, and refuse a label with two names', async () => {
    await write({
      ...pictures,
      'split_zhou_Things.json': {
        train: [
          ['shark/1.jpg', 1, 'fin'],
          ['bush/1.jpg', 0, 'fin'],
        ],
      },
    });
    expect((await readDataset(root)).classes).toMatchObject([
      { id: 'fin 0', name: 'fin' },
      { id: 'fin 1', name: 'fin' },
    ]);
    await write({
      'split_zhou_Things.json': {
        train: [
          ['shark/1.jpg', 1, 'fin'],
          ['bush/1.jpg', 1, 'leaf'],
        ],
      },
    });
    await expect(readDataset(root)).rejects.toThrow('label 1 is both "fin" and "leaf"');
  });

  it.each([
    ['no JSON', '{"train": [', 'is not a split file'],
    ['no label', { train: [['a.jpg', 'cat']] }, 'train.0'],
    ['a label without a name', { train: [['a.jpg', 0, '\u200b']] }, 'label 0 has no name'],
    ['another split', { extra: [['a.jpg', 0, 'cat']] }, 'is not a split file'],
    ['no picture', split, 'the first of 5 missing files'],
  ])('with %s are refused', async (_, content, message) => {
    await write({ 'images/other/1.jpg': '', 'split_zhou_Things.json': content });
    await expect(readDataset(root)).rejects.toThrow(message);
  });

  it('of several data sets are not classes of one', async () => {
    await write({
      'things/split_zhou_Things.json': split,
      'things/images/bush/1.jpg': '',
      'imagenet/classnames.txt': '',
      'imagenet/images/train/n01440764/1.jpg': '',
    });
    await expect(readDataset(root)).rejects.toEqual(failure('several'));
  });
});

describe('FGVC Aircraft', () => {
  it('lists pictures and variants', async () => {
    await write({
      'images/0000001.jpg': '',
      'images/0000002.jpg': '',
      'images_variant_train.txt': '0000001 A340-500\n',
      'images_variant_test.txt': '0000002 Boeing 717\r\n',
      'images_variant_trainval.txt': '0000002 A340-500\n',
    });
    expect(labelled(await readDataset(root))).toEqual([
      'test Boeing 717 images/0000002.jpg',
      'train A340-500 images/0000001.jpg',
    ]);
  });
});

describe('ImageNet', () => {
  const ids = Array.from({ length: 12 }, (_, i) => `n${10_000_000 + i}`);
  const classnames = ids.map((id, i) => `${id} thing number ${i}\n`).join('');

  it('is read from train and val (its test split), with names for its codes', async () => {
    await write({
      'classnames.txt': classnames,
      [`images/train/${ids[2]}/1.JPEG`]: '',
      [`images/val/${ids[2]}/2.JPEG`]: '',
      [`images/val/${ids[10]}/3.JPEG`]: '',
      'images/val/4.JPEG': '',
    });
    const dataset = await readDataset(root);
    expect(labelled(dataset)).toEqual([
      `train ${ids[2]} images/train/${ids[2]}/1.JPEG`,
      `test ${ids[2]} images/val/${ids[2]}/2.JPEG`,
      `test ${ids[10]} images/val/${ids[10]}/3.JPEG`,
    ]);
    expect(dataset.classes.map(({ promptName }) => promptName)).toEqual([
      'thing number 2',
      'thing number 10',
    ]);
    expect(finding(dataset, 'missing-classes')?.message).toContain('10 classes of classnames.txt');
    expect(finding(dataset, 'outside-classes')?.paths).toEqual(['images/val/4.JPEG']);
    expect(finding(dataset, 'codes')).toBeUndefined();
  });

  it("V2's numbered folders are line numbers of classnames.txt, and its classes are ImageNet's", async () => {
    const folders = ids.map((_, i) => [`imagenetv2-matched-frequency-format-val/${i}/a.jpeg`, '']);
    await write({ 'classnames.txt': classnames, ...Object.fromEntries(folders) });
    const dataset = await readDataset(root);
    const ten = dataset.examples.find(({ id }) => id.includes('/10/'));
    expect(dataset.classes[ten!.label]).toMatchObject({ id: ids[10], name: 'thing number 10' });
    expect(dataset.examples.every((example) => example.split === 'test')).toBe(true);
    const sketch = ids.map((id) => ({ id, name: id, promptName: id, prompts: [] }));
    expect(matchClasses(dataset.classes, sketch).unmatchedA).toEqual([]);
  });

  it('a classnames.txt about something else changes nothing', async () => {
    await write({ 'classnames.txt': 'cat\ndog\n', 'cat/1.jpg': '', 'dog/1.jpg': '' });
    expect((await readDataset(root)).classes.map(({ id }) => id)).toEqual(['cat', 'dog']);
  });
});
