import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { strToU8, type Zippable, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { openZip, type Zip, type ZipLimits } from './zip.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tip-zip-'));
});
afterAll(() => rm(folder, { recursive: true }));

let count = 0;
async function write(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${count++}.zip`);
  await writeFile(path, bytes);
  return path;
}
async function openBytes(bytes: Uint8Array, limits?: ZipLimits): Promise<Zip> {
  return openZip(await write(bytes), limits);
}

const openFiles = (files: Zippable, limits?: ZipLimits) => openBytes(zipSync(files), limits);
const codeOf = (opening: Promise<unknown>) =>
  opening.then(
    () => 'accepted',
    (error) => {
      expect(error).toBeInstanceOf(DataError);
      return error.code;
    },
  );
const text = async (zip: Zip, name: string) => Buffer.from(await zip.read(name)).toString();

/** Replaces bytes in the central directory's record number `k` (and returns the zip). */
function patchRecord(zip: Uint8Array, k: number, at: number, bytes: number[]): Uint8Array<ArrayBuffer> {
  let record = -1;
  for (let n = 0; n <= k; n++) record = Buffer.from(zip).indexOf('PK\u0001\u0002', record + 1, 'latin1');
  const patched = new Uint8Array(zip);
  patched.set(bytes, record + at);
  return patched;
}

describe('openZip', () => {
  it('lists and reads files in nested folders, stored and deflated, with names of any script', async () => {
    const zip = await openFiles({
      'cats/a.jpg': strToU8('meow'),
      'cats/deep/er/b.jpg': [strToU8('stored'), { level: 0 }],
      '猫/ñandú 😀.png': strToU8('x'.repeat(10_000)),
      'empty/': new Uint8Array(0),
      'empty.txt': new Uint8Array(0),
    });
    expect(zip.entries).toEqual([
      { name: 'cats/a.jpg', size: 4 },
      { name: 'cats/deep/er/b.jpg', size: 6 },
      { name: '猫/ñandú 😀.png', size: 10_000 },
      { name: 'empty.txt', size: 0 },
    ]);
    expect(zip.skipped).toEqual([]);
    expect(await text(zip, 'cats/a.jpg')).toBe('meow');
    expect(await text(zip, 'cats/deep/er/b.jpg')).toBe('stored');
    expect((await zip.read('猫/ñandú 😀.png')).length).toBe(10_000);
    expect((await zip.read('empty.txt')).length).toBe(0);
    await expect(zip.read('none')).rejects.toMatchObject({ code: 'zip/no-entry' });
  });

  it('reads names in code page 437, and in UTF-8 without the flag', async () => {
    const zipped = zipSync({ 'Kase.jpg': strToU8('x') });
    const name = Buffer.from(zipped).lastIndexOf('Kase');
    zipped.set([0x84], name + 1);
    expect((await openBytes(zipped)).entries[0]!.name).toBe('Käse.jpg');
    const unsaid = zipSync({ 'Käse.jpg': strToU8('x') });
    expect((await openBytes(patchRecord(unsaid, 0, 9, [0]))).entries[0]!.name).toBe('Käse.jpg');
  });

  it('skips and reports paths that lead outside, links, encrypted files, unknown methods', async () => {
    const files = {
      '../evil': 'x',
      '/etc/evil': 'x',
      'C:\\evil': 'x',
      'a\\..\\..\\evil': 'x',
      link: 'x',
      secret: 'x',
      odd: 'x',
      'good\\a.jpg': 'x',
    };
    let bytes = zipSync(
      Object.fromEntries(Object.entries(files).map(([name, content]) => [name, strToU8(content)])),
    );
    bytes = patchRecord(bytes, 4, 38, [0, 0, 0xff, 0xa1]);
    bytes = patchRecord(bytes, 4, 5, [3]);
    bytes = patchRecord(bytes, 5, 8, [1]);
    bytes = patchRecord(bytes, 6, 10, [12]);
    const zip = await openBytes(bytes);
    expect(zip.entries.map(({ name }) => name)).toEqual(['good/a.jpg']);
    expect(zip.skipped.map(({ reason }) => reason)).toEqual([
      'a name that leads outside',
      'an absolute name',
      'an absolute name',
      'a name that leads outside',
      'a link',
      'encrypted',
      'compressed by bzip2 (method 12), which is not read',
    ]);
    expect(await text(zip, 'good/a.jpg')).toBe('x');
  });

  it.each([
    [9, 'compressed by Deflate64 (method 9), which is not read'],
    [14, 'compressed by LZMA (method 14), which is not read'],
    [93, 'compressed by Zstandard (method 93), which is not read'],
    [77, 'compressed by method 77, which is not read'],
    [99, 'encrypted'],
  ])('names compression method %i', async (method, reason) => {
    const bytes = patchRecord(zipSync({ 'a.jpg': strToU8('x') }), 0, 10, [method]);
    expect((await openBytes(bytes)).skipped).toEqual([{ name: 'a.jpg', reason }]);
  });

  it('skips bombs and keeps to its limits', async () => {
    const flat = new Uint8Array(5_000_000);
    const zip = await openFiles({ 'bomb.bin': flat, 'photo.jpg': strToU8('x') });
    expect(zip.entries.map(({ name }) => name)).toEqual(['photo.jpg']);
    expect(zip.skipped).toEqual([{ name: 'bomb.bin', reason: 'compressed to less than 1/250 of its size' }]);
    const three = {
      a: [new Uint8Array(100), { level: 0 }],
      b: [new Uint8Array(100), { level: 0 }],
      c: strToU8('x'),
    } as Zippable;
    expect(await codeOf(openFiles(three, { mostEntries: 2 }))).toBe('zip/too-many');
    expect(await codeOf(openFiles(three, { mostBytes: 150 }))).toBe('zip/too-large');
    expect((await openFiles(three, { mostEntryBytes: 99 })).entries).toEqual([{ name: 'c', size: 1 }]);
  });

  it('refuses files that share their bytes', async () => {
    const bytes = zipSync({ a: strToU8('first'), b: strToU8('second') });
    expect(await codeOf(openBytes(patchRecord(bytes, 1, 42, [0, 0, 0, 0])))).toBe('zip/overlap');
  });

  it('does not unpack more than the directory says', async () => {
    const bytes = zipSync({ a: new Uint8Array(100_000) });
    const zip = await openBytes(patchRecord(bytes, 0, 24, [10, 0, 0, 0]));
    await expect(zip.read('a')).rejects.toMatchObject({ code: 'zip/damaged' });
  });

  it('reports damage when it reads an entry', async () => {
    const bytes = zipSync({ a: [strToU8('content'), { level: 0 }] });
    bytes[bytes.indexOf(strToU8('content')[0]!, 31)]! ^= 1;
    const zip = await openBytes(bytes);
    await expect(zip.read('a')).rejects.toMatchObject({ code: 'zip/damaged', exitCode: 3 });
  });
});

describe('malformed zips end in a DataError', () => {
  const bytes = zipSync({ 'a.txt': strToU8('hello'), 'b/c.txt': strToU8('x'.repeat(1000)) });

  it('for files that are not zips', async () => {
    expect(await codeOf(openBytes(new Uint8Array(0)))).toBe('zip/not-a-zip');
    expect(await codeOf(openBytes(strToU8('plain text that is long enough')))).toBe('zip/not-a-zip');
    await expect(openZip(join(folder, 'none.zip'))).rejects.toMatchObject({ code: 'zip/missing' });
  });

  it('at every truncation', async () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(await codeOf(openBytes(bytes.subarray(0, length))), `first ${length} bytes`).toMatch(/^zip\//);
    }
  });

  it('for any changed bytes, unless the archive is still valid', async () => {
    const edit = fc.tuple(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        const changed = bytes.slice();
        for (const [at, value] of edits) changed[at] = value;
        const readAll = async () => {
          const zip = await openBytes(changed);
          for (const { name } of zip.entries) await zip.read(name);
        };
        expect(await codeOf(readAll())).toMatch(/^(zip\/|accepted)/);
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});

const python = process.env.PYTHON ?? 'python3';
const pythonRuns = spawnSync(python, ['-c', 'import zipfile']).status === 0;

it.skipIf(!pythonRuns)(
  'reads zip64 records as Python writes them (skipped if there is no python3)',
  async () => {
    const path = join(folder, 'python.zip');
    const program = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:
    with z.open('big/é.txt', 'w', force_zip64=True) as f: f.write(b'zip64' * 100)
    z.comment = b'a comment'`;
    expect(spawnSync(python, ['-c', program, path]).status).toBe(0);
    const zip = await openZip(path);
    expect(zip.entries).toEqual([{ name: 'big/é.txt', size: 500 }]);
    expect(await text(zip, 'big/é.txt')).toBe('zip64'.repeat(100));
  },
);
