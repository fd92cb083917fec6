import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { copyByClass } from './sorting.ts';

it('copies by class, never overwrites, and copies nothing twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sorting-'));
  const [one, two] = [join(folder, 'one', 'a.jpg'), join(folder, 'two', 'a.jpg')];
  for (const path of [one, two]) {
    await mkdir(dirname(path));
    await writeFile(path, path.slice(-9));
  }
  const classes = [{ id: 'c', name: 'cat', promptName: 'cat', prompts: [] }];
  const predictions = [
    { picture: one, id: 'c', rejected: false },
    { picture: two, id: 'c', rejected: false },
    { picture: one, id: 'c', rejected: true },
    { picture: { id: 'x.zip/a.jpg', read: async () => Buffer.from('in a zip') }, id: 'c', rejected: false },
  ];
  const sort = () => copyByClass(predictions, classes, join(folder, 'out'), new AbortController().signal);
  const first = await sort();
  expect([[...first.copied], first.known]).toEqual([
    [
      ['cat', 3],
      ['unsure', 1],
    ],
    0,
  ]);
  const read = (path: string) => readFile(join(folder, 'out', path), 'utf8');
  expect(await read('cat/a.jpg')).toBe('one/a.jpg');
  expect(await read('cat/a (2).jpg')).toBe('two/a.jpg');
  expect(await read('cat/a (3).jpg')).toBe('in a zip');
  expect(await read('unsure/a.jpg')).toBe('one/a.jpg');
  const second = await sort();
  expect([[...second.copied], second.known]).toEqual([[], 4]);
  expect((await readdir(join(folder, 'out', 'cat'))).sort()).toEqual(['a (2).jpg', 'a (3).jpg', 'a.jpg']);
});
