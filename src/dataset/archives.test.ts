import { mkdtempSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { tarball } from '../store/tarball.fixture.ts';
import { failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const read = async (path = '') => labelled(await readDataset(join(own.root, path)));
const bytes = (text: string) => new TextEncoder().encode(text);
const zip = (...names: string[]) => zipSync(Object.fromEntries(names.map((name) => [name, bytes(name)])));

describe('tar archives that are compressed by gzip', () => {
  const shard = (...entries: [string, string][]) => tarball(entries.map(([path, text]) => [{ path }, text]));

  it('are read like tar archives, also as shards', async () => {
    await own.write(['train-0.tar.gz', shard(['0.jpg', 'one'], ['0.cls', 'cat'])]);
    await own.write(['train-1.tgz', shard(['1.jpg', 'two'], ['1.cls', 'dog'])]);
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['train-0.tar.gz/0.jpg cat train', 'train-1.tgz/1.jpg dog train']);
    expect(Buffer.from(await dataset.examples[1]!.read()).toString()).toBe('two');
    expect(await read('train-{0.tar.gz,1.tgz}')).toHaveLength(2);
    await own.write(['photos.tar.gz', shard(['cat/1.jpg', ''], ['dog/2.jpg', ''])]);
    expect(await read('photos.tar.gz')).toEqual(['cat/1.jpg cat', 'dog/2.jpg dog']);
  });

  it('are refused if they are cut short or not an archive', async () => {
    const whole = shard(['cat/1.jpg', 'x'.repeat(5000)]);
    await own.write(['a.tgz', whole.subarray(0, -20)], ['b.tgz', 'text'], ['c.tgz', '']);
    for (const name of ['a.tgz', 'b.tgz', 'c.tgz'])
      await expect(read(name)).rejects.toMatchObject({ code: 'tar/damaged', exitCode: 3 });
  });
});

describe('zips', () => {
  it('of splits in a folder are read, as the Hub has them beside metadata', async () => {
    await own.write(
      ['data/train.zip', zip('cat/1.jpg', 'dog/2.jpg')],
      ['data/test.zip', zip('test/cat/3.jpg', 'test/dog/4.jpg')],
    );
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'data/test/test/cat/3.jpg cat test',
      'data/test/test/dog/4.jpg dog test',
      'data/train/cat/1.jpg cat train',
      'data/train/dog/2.jpg dog train',
    ]);
    expect(finding(dataset, 'archives')?.message).toBe('The pictures are read from 2 archives.');
    expect(Buffer.from(await dataset.examples[3]!.read()).toString()).toBe('dog/2.jpg');
  });

  it('beside pictures are left out, with a warning', async () => {
    await own.write('cat/1.jpg', 'dog/2.jpg', ['more.zip', zip('cat/3.jpg')]);
    expect(warnings(await readDataset(own.root))).toEqual(['archives']);
  });

  it('after other bytes, such as a program that unpacks them, are read', async () => {
    await own.write([
      'a.zip',
      Buffer.concat([Buffer.from('#!/bin/sh\nexit\n'), zip('cat/1.jpg', 'dog/2.jpg')]),
    ]);
    const { examples } = await readDataset(join(own.root, 'a.zip'));
    expect(Buffer.from(await examples[1]!.read()).toString()).toBe('dog/2.jpg');
  });

  it('with names in Shift-JIS or GBK give a warning, and the names with --zip-encoding', async () => {
    // 猫 in Shift-JIS and 狗 in GBK, in the place of the two letters of the folders' names.
    for (const [letters, encoded] of [
      ['xx', [0x94, 0x4c]],
      ['yy', [0xb9, 0xb7]],
    ] as const) {
      const archive = Buffer.from(zip('dog/1.jpg', `${letters}/2.jpg`));
      for (let at = archive.indexOf(letters); at >= 0; at = archive.indexOf(letters))
        archive.set(encoded, at);
      await own.write([`${letters}.zip`, archive]);
    }
    const guessed = await readDataset(join(own.root, 'xx.zip'));
    expect(finding(guessed, 'zip-names')).toMatchObject({
      level: 'warning',
      message: expect.stringContaining('1 name in the zip is in an unknown encoding'),
      paths: ['öL/2.jpg'],
    });
    const named = async (path: string, zipEncoding: string) => {
      const dataset = await readDataset(join(own.root, path), { zipEncoding });
      expect(finding(dataset, 'zip-names')).toBeUndefined();
      return labelled(dataset)[1];
    };
    expect(await named('xx.zip', 'shift_jis')).toBe('猫/2.jpg 猫');
    expect(await named('yy.zip', 'gbk')).toBe('狗/2.jpg 狗');
    await expect(named('xx.zip', 'klingon')).rejects.toMatchObject({ code: 'option/value', exitCode: 2 });
  });

  it('of Teachable Machine are read', async () => {
    await own.write(['project.tm', zip('Cat-!-0.jpg', 'My -!- dog-!-12.jpg', 'manifest.json')]);
    expect(await read('project.tm')).toEqual(['Cat-!-0.jpg Cat', 'My -!- dog-!-12.jpg My -!- dog']);
    const sound = { 'manifest.json': '{"type":"audio","version":"2.4.7"}', 'Clap-!-0.zip': 'x' };
    const encoded = Object.entries(sound).map(([name, text]) => [name, new TextEncoder().encode(text)]);
    await own.write(['sound.tm', zipSync(Object.fromEntries(encoded))]);
    await expect(read('sound.tm')).rejects.toThrow('its type is "audio"');
    await own.write(['other.tm', zip('manifest.json', 'weights.bin')]);
    await expect(read('other.tm')).rejects.toEqual(failure('empty'));
  });
});

describe('links that lead out of the folder', () => {
  it('are followed with the option', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
    await mkdir(join(elsewhere, 'cats'));
    await writeFile(join(elsewhere, 'cats', '1.jpg'), '');
    await own.write('dog/1.jpg', 'owl/1.jpg');
    await symlink(join(elsewhere, 'cats'), join(own.root, 'cat'));
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toHaveLength(2);
    expect(finding(dataset, 'link-outside')?.message).toContain('--follow-links');
    expect(labelled(await readDataset(own.root, { followLinks: true }))).toHaveLength(3);
  });
});
