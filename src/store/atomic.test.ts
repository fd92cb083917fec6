import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { copyWithoutOverwriting, diskError, writeFileAtomic } from './atomic.ts';
import { mountSmallDisk } from './small-disk.fixture.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tip-atomic-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function* pieces(count: number, failAt = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    if (i === failAt) throw new Error('the source broke');
    yield new Uint8Array(1000).fill(i);
  }
}

describe('writeFileAtomic', () => {
  it('writes bytes, text and pieces, making the folders it needs', async () => {
    const path = join(folder, 'a', 'b', 'out.bin');
    await writeFileAtomic(path, new Uint8Array([1, 2, 3]));
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    await writeFileAtomic(path, 'täxt');
    expect(await readFile(path, 'utf8')).toBe('täxt');
    await writeFileAtomic(path, pieces(5));
    const bytes = await readFile(path);
    expect([bytes.length, bytes[0], bytes[4999]]).toEqual([5000, 0, 4]);
  });

  it('keeps the old file and leaves nothing behind when the source breaks', async () => {
    const path = join(folder, 'out.bin');
    await writeFileAtomic(path, 'old');
    await expect(writeFileAtomic(path, pieces(5, 3))).rejects.toThrow('the source broke');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['out.bin']);
  });

  it('leaves one whole file after many concurrent writers', async () => {
    const path = join(folder, 'out.bin');
    const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(100_000 + i));
    await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['out.bin']);
  });

  it('accepts a file name of the longest allowed length', async () => {
    const path = join(folder, 'n'.repeat(255));
    await writeFileAtomic(path, 'x');
    expect(await readFile(path, 'utf8')).toBe('x');
  });

  it.skipIf(process.platform === 'win32')('writes through a symbolic link', async () => {
    await writeFile(join(folder, 'real'), 'old');
    await symlink('real', join(folder, 'link'));
    await writeFileAtomic(join(folder, 'link'), 'new');
    expect(await readFile(join(folder, 'real'), 'utf8')).toBe('new');
  });

  it.each([
    ['a folder as target', 'taken', 'disk/is-a-folder'],
    ['a file where a folder should be', 'file/out.bin', 'disk/not-a-folder'],
    ['a name that is too long', 'n'.repeat(300), 'disk/name-too-long'],
  ])('names %s', async (_, name, code) => {
    await mkdir(join(folder, 'taken'));
    await writeFile(join(folder, 'file'), '');
    const error = await writeFileAtomic(join(folder, name), 'x').catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.code).toBe(code);
    expect((await readdir(folder)).sort()).toEqual(['file', 'taken']);
  });

  const root = process.getuid?.() === 0;
  it.skipIf(root || process.platform === 'win32')('names a read-only folder (not as root)', async () => {
    await chmod(folder, 0o500);
    const error = await writeFileAtomic(join(folder, 'out.bin'), 'x').catch((e) => e);
    expect(error).toMatchObject({ code: 'disk/read-only', exitCode: 3 });
  });

  it('names a full disk and leaves nothing on it (skipped if no disk can be mounted)', async (context) => {
    const disk = mountSmallDisk(folder, 1);
    if (!disk) return context.skip();
    const path = join(folder, 'out.bin');
    try {
      await writeFileAtomic(path, 'old');
      const error = await writeFileAtomic(path, pieces(5000)).catch((e) => e);
      expect(error).toBeInstanceOf(DataError);
      expect(error).toMatchObject({ code: 'disk/full', details: { path, system: 'ENOSPC' } });
      expect(error.hint).toMatch(/space/);
      expect(await readdir(folder)).toEqual(['out.bin']);
      expect(await readFile(path, 'utf8')).toBe('old');
      disk.makeReadOnly();
      expect(await writeFileAtomic(path, 'x').catch((e) => e.code)).toBe('disk/read-only');
    } finally {
      disk.unmount();
    }
  });
});

describe('diskError', () => {
  it('translates errors of the disk, and returns other errors unchanged', () => {
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    expect(diskError(full, '/x')).toMatchObject({ code: 'disk/full', cause: full });
    const odd = Object.assign(new Error('i/o error'), { code: 'EIO' });
    expect(diskError(odd, '/x')).toMatchObject({
      code: 'disk/broken',
      message: 'Cannot write /x: the disk reports an error',
    });
    const bug = new TypeError('bug');
    expect(diskError(bug, '/x')).toBe(bug);
  });
});

describe('copyWithoutOverwriting', () => {
  it('numbers copies and never overwrites', async () => {
    const out = join(folder, 'out', 'cat');
    for (const content of ['one', 'two', 'three']) {
      await writeFile(join(folder, 'source'), content);
      await copyWithoutOverwriting(join(folder, 'source'), out, 'my photo.jpg');
    }
    expect((await readdir(out)).sort()).toEqual(['my photo (2).jpg', 'my photo (3).jpg', 'my photo.jpg']);
    expect(await readFile(join(out, 'my photo (2).jpg'), 'utf8')).toBe('two');
  });

  it('gives concurrent copies different names', async () => {
    await writeFile(join(folder, 'source'), 'x');
    const copies = Array.from({ length: 8 }, () =>
      copyWithoutOverwriting(join(folder, 'source'), folder, 'a.png'),
    );
    expect(new Set(await Promise.all(copies)).size).toBe(8);
  });

  it.each(['../evil.jpg', 'a/b.jpg', '..', '.', ''])('refuses the name "%s"', async (name) => {
    await expect(copyWithoutOverwriting('/dev/null', folder, name)).rejects.toMatchObject({
      code: 'disk/name',
    });
  });

  it('reports a missing source', async () => {
    const error = await copyWithoutOverwriting(join(folder, 'none'), folder, 'a.jpg').catch((e) => e);
    expect(error).toMatchObject({ code: 'disk/missing' });
  });
});
