import { expect, it, vi } from 'vitest';
import type { StoredFolder } from './storage.ts';
import { storedPictures } from './stored-pictures.ts';

vi.mock('../../../web/raster.ts', () => ({ pixelsOfFile: async () => ({}), rasterOf: () => ({}) }));
vi.mock('../../../web/session.ts', () => ({ thumbnailOf: async () => new Uint8Array(1) }));

/** A folder in memory. As in a browser, a file that is being written cannot be opened again. */
function folderOf(files = new Map<string, Uint8Array>(), path = ''): StoredFolder {
  const open = new Set<string>();
  return {
    folder: (name) => folderOf(files, `${path}${name}/`),
    file: async (name) => {
      const bytes = files.get(path + name);
      return bytes && new File([bytes as BlobPart], name);
    },
    write: async (name, bytes) => {
      if (open.has(name)) throw new Error('it is open');
      open.add(name);
      files.set(path + name, bytes.subarray(0, 0));
      await new Promise((resolve) => setTimeout(resolve, 1));
      files.set(path + name, bytes);
      open.delete(name);
    },
  } as StoredFolder;
}

it('stores equal files that arrive together once', async () => {
  const pictures = storedPictures(folderOf());
  const bytes = Uint8Array.of(1, 2, 3);
  const kept = await Promise.all(['a.png', 'b.png', 'c.png'].map((name) => pictures.keep(name, bytes)));
  expect(kept.map((one) => ('hash' in one ? one.name : one.problem))).toEqual(['a.png', 'b.png', 'c.png']);
  expect(await pictures.read((kept[0] as { hash: string }).hash)).toEqual(bytes);
});
