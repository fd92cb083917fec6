import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tarball } from '../store/tarball.fixture.ts';
import { failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
/** A tar archive of texts by name. */
const tar = (entries: Record<string, string>) =>
  gunzipSync(tarball(Object.entries(entries).map(([path, text]) => [{ path }, text])));
const read = async (path = '') => labelled(await readDataset(join(own.root, path)));
const long = `${'folder/'.repeat(20)}picture`;

describe('WebDataset', () => {
  it('is read from shards in a folder, by a pattern, and from a single shard', async () => {
    await own.write([
      'train-000000.tar',
      tar({ '00.jpg': 'one', '00.cls': '0', '01.png': 'two', '01.cls': '1' }),
    ]);
    await own.write(['train-000001.tar', tar({ '02.jpg': 'three', '02.cls': '1\n' })]);
    await own.write(['val-000000.tar', tar({ '00.jpg': 'four', '00.cls': '0' })]);
    await own.write(['README.md', '---\nclass_label: {names: [cat, dog]}\n---\n']);
    const train = [
      'train-000000.tar/00.jpg 0 train',
      'train-000000.tar/01.png 1 train',
      'train-000001.tar/02.jpg 1 train',
    ];
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([...train, 'val-000000.tar/00.jpg 0 val']);
    expect(dataset.classes.map(({ name }) => name)).toEqual(['cat', 'dog']);
    expect(warnings(dataset)).toEqual([]);
    expect(finding(dataset, 'found')?.message).toContain('read from samples of WebDataset');
    expect(Buffer.from(await dataset.examples[2]!.read()).toString()).toBe('three');
    expect(await read('train-{000000..000001}.tar')).toEqual(train);
    expect(await read('{train-000001,val-000000}.tar')).toHaveLength(2);
    expect(await read('val-000000.tar')).toEqual(['00.jpg 0 val']);
    await expect(read('train-{000000..000002}.tar')).rejects.toMatchObject({ code: 'tar/missing' });
  });

  it('takes classes from json, and from txt if texts repeat', async () => {
    await own.write([
      'a.tar',
      tar({
        'x.jpg': '1',
        'x.json': '{"label": "cat", "w": 3}',
        'y.jpg': '2',
        'y.json': '{"label": "dog"}',
        'z.json': '{"label": "dog"}',
      }),
    ]);
    const dataset = await readDataset(join(own.root, 'a.tar'));
    expect(labelled(dataset)).toEqual(['x.jpg cat', 'y.jpg dog']);
    expect(finding(dataset, 'stray-annotations')?.paths).toEqual(['z.json']);
    await own.write(['b.tar', tar({ 'x.jpg': '1', 'x.txt': 'cat', 'y.jpg': '2', 'y.txt': 'cat' })]);
    expect(await read('b.tar')).toEqual(['x.jpg cat', 'y.jpg cat']);
    await own.write(['c.tar', tar({ 'x.jpg': '1', 'x.txt': 'a cat', 'y.jpg': '2', 'y.txt': 'a dog' })]);
    await expect(read('c.tar')).rejects.toEqual(failure('empty'));
  });

  it('is refused if a number and a name contradict each other', async () => {
    const one = (i: number, label: string, cls: string) => ({
      [`${i}.jpg`]: 'x',
      [`${i}.json`]: `{"label":"${label}"}`,
      [`${i}.cls`]: cls,
    });
    await own.write([
      'a.tar',
      tar({
        ...one(1, 'cat', '0'),
        ...one(2, 'cat', '0'),
        ...one(3, 'dog', '1'),
        ...one(4, 'dog', '1'),
        ...one(5, 'cat', '1'),
      }),
    ]);
    await expect(read('a.tar')).rejects.toEqual(failure('contradiction'));
  });
});

describe('a tar archive', () => {
  it('is not a class if its pictures have no notes', async () => {
    await own.write(['a.tar', tar({ '1.jpg': 'x' })], ['b.tar', tar({ '2.jpg': 'x' })]);
    await expect(read()).rejects.toEqual(failure('no-classes'));
  });

  it('of class folders is read with long names, and without links and names that lead out', async () => {
    const bytes = gunzipSync(
      tarball([
        [{ path: './cat/1.jpg' }, 'x'],
        [{ path: `dog/${'d'.repeat(90)}.jpg` }, 'long'],
        [{ path: '../dog/2.jpg' }, 'x'],
        [{ path: '/etc/dog.jpg' }, 'x'],
        [{ path: 'dog/3.jpg', type: 'SymbolicLink', linkpath: '/etc/passwd' }, ''],
      ]),
    );
    await own.write(['pets.tar', bytes]);
    const dataset = await readDataset(join(own.root, 'pets.tar'));
    expect(labelled(dataset)).toEqual(['cat/1.jpg cat', `dog/${'d'.repeat(90)}.jpg dog`]);
    expect(finding(dataset, 'zip-unusable')?.message).toContain('3 entries of the tar archive are left out');
  });

  it('is read with names in extended headers', async () => {
    const pax = ` path=${long}.jpg\n`;
    const length = pax.length + 3;
    await own.write([
      'a.tar',
      gunzipSync(
        tarball([
          [{ path: 'pax', type: 'ExtendedHeader' }, `${length}${pax}`],
          [{ path: 'short' }, 'x'],
          [{ path: 'dog/1.jpg' }, 'x'],
          [{ path: '././@LongLink', type: 'NextFileHasLongPath' }, `${long}2.jpg\0`],
          [{ path: 'short2' }, 'x'],
        ]),
      ),
    ]);
    expect((await read('a.tar')).map((one) => one.split(' ')[0])).toContain(`${long}.jpg`);
    expect((await read('a.tar')).map((one) => one.split(' ')[0])).toContain(`${long}2.jpg`);
  });

  it.each([
    ['damaged', (bytes: Buffer) => Buffer.concat([Buffer.alloc(512, 7), bytes])],
    ['damaged', () => Buffer.alloc(1024)],
    ['damaged', () => Buffer.from('no archive')],
    ['truncated', (bytes: Buffer) => bytes.subarray(0, 700)],
  ])('%s is refused', async (code, change) => {
    await own.write(['a.tar', change(tar({ 'cat/1.jpg': 'x'.repeat(600) }))]);
    await expect(read('a.tar')).rejects.toMatchObject({ code: `tar/${code}` });
  });
});
