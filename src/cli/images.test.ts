import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findImages, idOf } from './images.ts';
import { recordingIo } from './io.fixture.ts';

describe('findImages', () => {
  let root: string;
  let other: string;
  const find = async (given: string[], lines: string[] = [], except?: string) =>
    (await findImages(given, recordingIo({ lines }), { except })).images.map((image) =>
      relative(root, idOf(image)),
    );

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'images-'));
    other = await mkdtemp(join(tmpdir(), 'images-'));
    await mkdir(join(root, 'a', 'b'), { recursive: true });
    await mkdir(join(root, 'empty'));
    const files = ['10.jpg', '9.JPG', 'notes.txt', '.hidden.jpg', 'a/b/猫.png', 'x[1].png'];
    for (const file of files) await writeFile(join(root, file), '');
  });

  afterAll(() => Promise.all([root, other].map((folder) => rm(folder, { recursive: true }))));

  it.each([
    ['a picture', '\ufffd\0\u0010JFIF'],
    ['a list for xargs -0', 'a.png\0b.png\0'],
    ['UTF-16', 'a\0.\0p\0n\0g\0'],
  ])('refuses %s on stdin', async (_, line) => {
    await expect(find(['-'], [line])).rejects.toThrow('Stdin holds NUL characters, which no path contains');
  });

  it('takes all pictures below a folder, in natural order', async () => {
    expect(await find([root])).toEqual(['9.JPG', '10.jpg', join('a', 'b', '猫.png'), 'x[1].png']);
  });

  it('leaves out hidden files and leftovers of systems and tools, and reports them', async () => {
    const left = join(other, 'left');
    for (const place of ['photos', '@eaDir', '.thumbnails', '.net']) {
      await mkdir(join(left, place), { recursive: true });
      await writeFile(join(left, place, '1.jpg'), '');
    }
    const io = recordingIo();
    expect((await findImages([left], io)).images).toEqual([join(left, 'photos', '1.jpg')]);
    expect(io.err()).toContain(
      '2 files and folders of systems and tools are left out (".thumbnails", "@eaDir").',
    );
    expect(io.err()).toContain('1 file is left out, because its name');
  });

  it('follows links that lead out of the folder with the option, and stops at circles', async () => {
    const linked = join(other, 'linked');
    await mkdir(linked);
    await symlink(join(root, 'a'), join(linked, 'out'));
    await symlink(linked, join(linked, 'round'));
    const { images } = await findImages([linked], recordingIo(), { followLinks: true });
    expect(images).toEqual([join(linked, 'out', 'b', '猫.png')]);
    await expect(findImages([linked], recordingIo())).rejects.toMatchObject({ code: 'images/none' });
  });

  it('keeps named files, existing or not, each once', async () => {
    const [there, missing] = [join(root, 'x[1].png'), join(root, 'missing.jpg')];
    expect(await find([there, missing, there])).toEqual(['x[1].png', 'missing.jpg']);
  });

  it('expands patterns itself', async () => {
    expect(await find([join(root, '*.{jpg,JPG}')])).toEqual(['9.JPG', '10.jpg']);
  });

  it('reads paths from stdin', async () => {
    expect(await find(['-'], [join(root, '9.JPG'), '', join(root, '10.jpg')])).toEqual(['9.JPG', '10.jpg']);
  });

  it('leaves a folder out', async () => {
    expect(await find([root], [], join(root, 'a'))).toEqual(['9.JPG', '10.jpg', 'x[1].png']);
  });

  it.each(['empty', 'no*.jpg'])('reports that there is no picture in %s', async (place) => {
    await expect(find([join(root, place)])).rejects.toMatchObject({ code: 'images/none', exitCode: 3 });
  });
});
