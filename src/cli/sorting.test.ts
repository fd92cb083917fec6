import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyByClass, folderNames } from './sorting.ts';

const names = (...list: string[]) => [...folderNames(list.map((name, i) => ({ id: `${i}`, name }))).values()];

it('makes class names safe as folder names', () => {
  expect(names('cat', 'a/b', '../..', 'CON', '猫', 'x'.repeat(300), '  ', 'unsure', 'Cat')).toEqual([
    'cat',
    'a_b',
    '_',
    '_CON',
    '猫',
    'x'.repeat(200),
    '_ (2)',
    'unsure (2)',
    'Cat (2)',
  ]);
});

it('gives every class a plain folder of its own', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 20 }), (list) => {
      const folders = names(...list);
      expect(new Set(folders.map((folder) => folder.toLowerCase())).size).toBe(list.length);
      for (const folder of folders) {
        expect(folder).toBe(basename(folder));
        expect(['', '.', '..']).not.toContain(folder);
      }
    }),
  );
});

it('copies by class and never overwrites', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sorting-'));
  const image = join(folder, 'a.jpg');
  await writeFile(image, 'picture');
  const base = { image, id: 'c', name: 'cat', probability: 0.9, ranking: [] };
  const classes = [{ id: 'c', name: 'cat', promptName: 'cat', prompts: [] }];
  const predictions = [
    { ...base, rejected: false },
    { ...base, rejected: false },
    { ...base, rejected: true },
  ];
  const counts = await copyByClass(predictions, classes, join(folder, 'out'), new AbortController().signal);
  expect([...counts]).toEqual([
    ['cat', 2],
    ['unsure', 1],
  ]);
  for (const path of ['cat/a.jpg', 'cat/a (2).jpg', 'unsure/a.jpg']) {
    expect(await readFile(join(folder, 'out', path), 'utf8')).toBe('picture');
  }
});
