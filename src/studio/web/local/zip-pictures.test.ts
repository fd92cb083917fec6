import { strToU8, unzipSync, zipSync } from 'fflate';
import { expect, it, vi } from 'vitest';
import { DataError } from '../../../errors.ts';
import type { Kept } from '../../pictures.ts';
import { keepZip } from './zip-pictures.ts';

vi.mock('fflate', async (original) => {
  const fflate = await original<typeof import('fflate')>();
  return { ...fflate, unzipSync: vi.fn(fflate.unzipSync) };
});

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

it('reads the directory of a zip once for all pictures', async () => {
  vi.mocked(unzipSync).mockClear();
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${i}.png`, `${i}`]));
  expect(Object.keys(await outcomes(files))).toHaveLength(300);
  // The names are read first, and then all pictures together.
  expect(unzipSync).toHaveBeenCalledTimes(2);
});

it('imports the pictures beside a damaged one', async () => {
  const text = 'a text that is compressed, a text that is compressed';
  const zip = zipSync({ 'a.png': strToU8(text), 'b.png': strToU8(text), 'c.png': strToU8(text) });
  const second = new TextDecoder('latin1').decode(zip).indexOf('b.png');
  zip.fill(255, second + 5, second + 15);
  const kept = await keepZip(pictures, new Blob([zip as BlobPart]));
  expect(kept.map((one) => ('hash' in one ? one.name : one.problem.code))).toEqual([
    'a.png',
    'zip/unreadable',
    'c.png',
  ]);
});
