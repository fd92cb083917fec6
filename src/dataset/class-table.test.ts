import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failure, finding, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;
/** The shown names of the classes, with a file that names them. */
async function names(file: string, text: string): Promise<string[]> {
  await write([file, text]);
  const dataset = await readDataset(join(own.root, 'data'), { classes: join(own.root, file) });
  return dataset.classes.map(({ name }) => name);
}

describe('--classes', () => {
  it.each([
    ['a.json', '{"1": "pink primrose", "2": "moon orchid"}'],
    ['a.json', '{"classes": ["pink primrose", "moon orchid"]}'],
    ['a.json', '{"1": ["n01", "pink primrose"], "2": ["n02", "moon orchid"]}'],
    ['a.json', '{"pink primrose": 1, "moon orchid": 2}'],
    ['a.json', '[{"ID": 1, "name": "pink primrose"}, {"id": "2", "name": "moon orchid"}]'],
    ['a.txt', 'pink primrose\r\nmoon orchid\r\n'],
    ['a.txt', '\ufeff1 pink primrose\n2: moon orchid'],
    ['a.csv', '1,pink primrose\n2,moon orchid\n'],
    ['a.csv', 'label;class_name\n1;pink primrose\n2;moon orchid'],
    ['a.tsv', 'class\tname\n01\tpink primrose\n02\tmoon orchid'],
  ])('%s: %s', async (file, text) => {
    await write('data/1/a.jpg', 'data/2/b.jpg');
    expect(await names(file, text)).toEqual(['pink primrose', 'moon orchid']);
  });

  it('counts from 0 if the classes do', async () => {
    await write('data/0/a.jpg', 'data/1/b.jpg');
    expect(await names('a.txt', 'cat\ndog\n')).toEqual(['cat', 'dog']);
    expect(await names('a.json', '["cat", "dog", "owl"]')).toEqual(['cat', 'dog']);
  });

  it('refuses names whose classes are not known', async () => {
    await write('data/red/a.jpg', 'data/blue/b.jpg');
    await expect(names('a.txt', 'cat\ndog\n')).rejects.toMatchObject({
      code: 'dataset/class-names',
      message: expect.stringContaining('which of its 2 names belongs to which class'),
    });
    for (const text of ['{}', '[1, 2]', '{"a"', '"cat"', ''])
      await expect(names('a.json', text)).rejects.toEqual(failure('class-names'));
    await expect(names('a.csv', 'x,y\n1,2')).rejects.toEqual(failure('column'));
    expect(await names('a.txt', 'blue\nred')).toEqual(['blue', 'red']);
  });
});

describe("a data set's own classes.csv", () => {
  it('gives a warning if it has another form', async () => {
    await write('cat/1.jpg', 'dog/2.jpg', ['classes.csv', 'colour,size\nred,3\n']);
    const dataset = await readDataset(own.root);
    expect(warnings(dataset)).toEqual(['classes-unused']);
    expect(finding(dataset, 'classes-unused')?.message).toContain('classes.csv has no column "id"');
    await write(['classes.csv', 'id,name\n"']);
    expect(warnings(await readDataset(own.root))).toEqual(['classes-unused']);
  });
});
