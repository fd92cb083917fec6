import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { MemoryStorage } from './memory-folder.fixture.ts';
import type { StoredFolder } from './storage.ts';
import { storedPictures } from './stored-pictures.ts';

vi.mock('../../../web/raster.ts', () => ({ pixelsOfFile: async () => ({}), rasterOf: () => ({}) }));
vi.mock('../../../web/session.ts', () => ({ thumbnailOf: async () => new Uint8Array(1) }));

it('stores equal files that arrive together once', async () => {
  const pictures = storedPictures(new MemoryStorage().root, () => false);
  const bytes = Uint8Array.of(1, 2, 3);
  const kept = await Promise.all(['a.png', 'b.png', 'c.png'].map((name) => pictures.keep(name, bytes)));
  expect(kept.map((one) => ('hash' in one ? one.name : one.problem))).toEqual(['a.png', 'b.png', 'c.png']);
  expect(await pictures.read((kept[0] as { hash: string }).hash)).toEqual(bytes);
});

it('leaves nothing of a picture that does not fit', async () => {
  const storage = new MemoryStorage(3);
  const pictures = storedPictures(storage.root, () => false);
  await expect(pictures.keep('a.png', Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
    code: 'studio/quota',
  });
  expect(storage.paths).toEqual([]);
});

it('reports why a picture was not kept, also if what is left of it cannot be removed', async () => {
  const { root } = new MemoryStorage(0);
  const folder = (name: string): StoredFolder => ({
    ...root.folder(name),
    remove: () => Promise.reject(new Error('it is in use')),
  });
  const pictures = storedPictures({ ...root, folder }, () => false);
  await expect(pictures.keep('a.png', Uint8Array.of(1))).rejects.toMatchObject({ code: 'studio/quota' });
});

it('removes exactly the pictures that the board does not remember once they are settled, in any order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ picture: fc.nat(3), isAdded: fc.boolean() }), { maxLength: 8 }),
      fc.integer({ min: 2, max: 12 }),
      async (imports, room) => {
        const remembered = new Set<string>();
        const storage = new MemoryStorage(room);
        const pictures = storedPictures(storage.root, (hash) => remembered.has(hash));
        const one = async ({ picture, isAdded }: (typeof imports)[number]) => {
          const kept = await pictures.keep('a.png', Uint8Array.of(picture, 0)).catch(() => undefined);
          if (!kept || !('hash' in kept)) return;
          await Promise.resolve();
          if (isAdded) remembered.add(kept.hash);
          await pictures.settle([kept.hash]);
        };
        await Promise.all(imports.map(one));
        expect(storage.paths).toEqual(
          [
            ...[...remembered].map((hash) => `pictures/${hash}`),
            ...[...remembered].map((hash) => `thumbnails/${hash}.jpg`),
          ].sort(),
        );
      },
    ),
    { numRuns: 30 },
  );
});

it('frees the space of deleted pictures, but not of those that are being added', async () => {
  const remembered = new Set<string>();
  const storage = new MemoryStorage();
  const pictures = storedPictures(storage.root, (hash) => remembered.has(hash));
  for (const own of [1, 2]) {
    const kept = await pictures.keep('a.png', new Uint8Array(10).fill(own));
    remembered.add((kept as { hash: string }).hash);
    await pictures.settle([...remembered]);
  }
  const [deleted] = remembered;
  remembered.delete(deleted as string);
  const coming = (await pictures.keep('c.png', new Uint8Array(10).fill(3))) as { hash: string };
  expect(await pictures.removeOrphans()).toBe(10);
  remembered.add(coming.hash);
  expect(storage.paths).toEqual(
    [...remembered].flatMap((hash) => [`pictures/${hash}`, `thumbnails/${hash}.jpg`]).sort(),
  );
});
