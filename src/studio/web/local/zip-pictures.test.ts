import { strToU8, zipSync } from 'fflate';
import { expect, it } from 'vitest';
import { DataError } from '../../../errors.ts';
import type { Kept } from '../../pictures.ts';
import { keepZip } from './zip-pictures.ts';

let settled: string[] = [];
const pictures = {
  async keep(name: string): Promise<Kept> {
    if (name === 'full.png') throw new DataError('no room', { code: 'studio/quota' });
    return { name, hash: '0'.repeat(64) };
  },
  async settle(hashes: readonly string[]) {
    settled = [...hashes];
  },
};

/** The outcome of each file of a zip: stored, or the code of its problem. */
async function outcomes(files: Record<string, string>): Promise<Record<string, string>> {
  const entries = Object.entries(files).map(([name, text]) => [name, strToU8(text)] as const);
  const kept = await keepZip(pictures, new Blob([zipSync(Object.fromEntries(entries)) as BlobPart]));
  return Object.fromEntries(
    kept.map((one) => [one.name, 'hash' in one ? (one.className ?? 'kept') : one.problem.code]),
  );
}

it('imports every picture that the table lists, whatever its ending, and tells of the others', async () => {
  const table = 'path,label,group\ncat/b.bmp,cat,\ncat/IMG_1,cat,\n';
  const files = {
    'index.csv': table,
    'classes.csv': '',
    'cat/b.bmp': 'b',
    'cat/IMG_1': 'i',
    'cat/c.png': 'c',
  };
  expect(await outcomes(files)).toEqual({ 'b.bmp': 'cat', IMG_1: 'cat', 'cat/c.png': 'studio/left-out' });
});

it('tells of pictures that it cannot import, and of a zip without pictures', async () => {
  expect(
    await outcomes({ 'a.png': 'a', 'b.bmp': 'b', IMG_1: 'i', 'notes.txt': 'n', '__MACOSX/a.bmp': '' }),
  ).toEqual({ 'a.png': 'kept', 'b.bmp': 'studio/left-out', IMG_1: 'studio/left-out' });
  await expect(outcomes({ 'notes.txt': 'n' })).rejects.toMatchObject({ code: 'studio/no-pictures' });
});

it('keeps nothing of a zip that does not fit', async () => {
  await expect(outcomes({ 'a.png': 'a', 'full.png': 'f' })).rejects.toMatchObject({ code: 'studio/quota' });
  expect(settled).toEqual(['0'.repeat(64)]);
});
