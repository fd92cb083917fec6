import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeFileAtomic } from './atomic.ts';
import { thisProcess } from './owner.ts';
import { inTemporaryFolder, newStamp, temporaryName } from './temporary.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'temporary-'));
});
afterEach(() => rm(folder, { recursive: true }));

const own = thisProcess();
const [machine, space] = own.split('-');
const dead = `${machine}-${space}-999999999-1-f00d`;
const elsewhere = `00c0ffee-${space}-1-1-f00d`;

it('a write removes what dead processes left in its folder, and nothing else', async () => {
  const kept = [
    temporaryName(),
    temporaryName(elsewhere),
    '.tip-adapter-notes.tmp',
    `.tip-adapter-${dead}`,
    'a.tmp',
  ];
  const old = temporaryName(`${elsewhere}0`);
  for (const name of [...kept, temporaryName(dead), temporaryName(dead, 'sock'), old]) {
    await writeFile(join(folder, name), 'half');
  }
  await mkdir(join(folder, temporaryName(`${dead}0`), 'deep'), { recursive: true });
  await utimes(join(folder, old), 0, 0);
  await writeFileAtomic(join(folder, 'out.bin'), 'whole');
  expect((await readdir(folder)).sort()).toEqual([...kept, 'out.bin'].sort());
});

it('a temporary folder is removed after its work, and those of dead processes before', async () => {
  await mkdir(join(folder, temporaryName(dead), 'deep'), { recursive: true });
  const work = async (inside: string) => {
    expect(await readdir(folder)).toEqual([basename(inside)]);
    await writeFile(join(inside, 'file'), '');
    throw new Error('the work broke');
  };
  await expect(inTemporaryFolder(work, folder)).rejects.toThrow('the work broke');
  expect(await readdir(folder)).toEqual([]);
});

it('names are all different', () => {
  expect(new Set(Array.from({ length: 100 }, newStamp)).size).toBe(100);
});
