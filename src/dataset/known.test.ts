import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkKnown } from './check-known.ts';
import { KNOWN, knownDataset } from './known.ts';
import { locateDatasets } from './locate.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'known-'));
});
afterEach(() => rm(root, { recursive: true }));

async function write(files: Record<string, unknown>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
}

const info = (dataset?: string) => ({ dataset, classes: ['a', 'b'] });

describe('public data sets', () => {
  it('are recognised in every spelling, and no two by the same name', () => {
    expect(knownDataset('StanfordCars')?.id).toBe('cars');
    expect(knownDataset('food-101')?.id).toBe('food101');
    expect(knownDataset('my photos')).toBeUndefined();
    const names = KNOWN.flatMap(({ id, title, folder, aliases }) => [id, title, folder, ...aliases]);
    for (const name of names) expect(KNOWN.filter((known) => knownDataset(name) === known)).toHaveLength(1);
    expect(KNOWN).toHaveLength(13);
  });

  it('are found in a folder of them, as pictures or as features', async () => {
    await write({
      'eurosat/split_zhou_EuroSAT.json': {},
      'rn50/dtd/info.json': info('dtd'),
      'rn50/dtd/test.npy': '',
      'vit/imagenet-v2/info.json': info(),
      'vit/imagenet-v2/test.safetensors': '',
      'holiday/pets/1.jpg': '',
    });
    const found = await locateDatasets(root);
    expect(found.map(({ kind, known }) => [kind, known?.id])).toEqual([
      ['pictures', 'eurosat'],
      ['features', 'dtd'],
      ['features', 'imagenet-v2'],
    ]);
  });

  it('are not searched among classes', async () => {
    await write({ 'pets/1.jpg': '', 'cars/1.jpg': '', 'train/metadata.csv': 'path,label' });
    expect(await locateDatasets(root)).toEqual([expect.objectContaining({ path: root, kind: 'pictures' })]);
    await expect(locateDatasets(join(root, 'nothing'))).rejects.toThrow('There is no file or folder');
  });
});

describe('the check of a folder', () => {
  const rows = (split: string, n: number) =>
    Array.from({ length: n }, (_, i) => [`${split}/${i}.jpg`, i % 10, `class ${i % 10}`]);

  it('reports complete, incomplete and absent data sets', async () => {
    const train = rows('train', 12);
    await write({
      'eurosat/split_zhou_EuroSAT.json': { train, val: rows('val', 10), test: rows('test', 10) },
      ...Object.fromEntries([...train, ...rows('val', 10)].map(([path]) => [`eurosat/2750/${path}`, ''])),
      'dtd/images/1.jpg': '',
    });
    const states = await checkKnown(root, { ids: ['eurosat', 'dtd', 'ucf101'] });
    const byId = Object.fromEntries(states.map((state) => [state.id, state]));
    expect(byId.ucf101).toMatchObject({ state: 'absent', path: join(root, 'ucf101') });
    expect(byId.dtd!.get.map(({ path }) => path)).toEqual([
      join(root, 'dtd/split_zhou_DescribableTextures.json'),
    ]);
    expect(byId.eurosat).toMatchObject({ state: 'partial', classes: 10, splits: { train: 12, val: 10 } });
    expect(byId.eurosat!.problems).toEqual(
      expect.arrayContaining([
        '12 train pictures instead of the published 13,500',
        '0 test pictures instead of the published 8,100',
        expect.stringContaining('10 rows are left out, because the files do not exist'),
      ]),
    );
  });

  it('recognises a dump of features', async () => {
    await write({ 'dtd/info.json': info('dtd'), 'dtd/test.npy': 'nothing' });
    const [state] = await checkKnown(root, { ids: ['dtd'] });
    expect(state?.state).toBe('partial');
    expect(state?.problems[0]).toContain('not a usable .npy file');
  });
});
