import { zipSync } from 'fflate';
import { expect, it, vi } from 'vitest';
import { boardToJson } from '../board.ts';
import { isRemembered } from '../history.ts';
import { openJournal } from '../journal.ts';
import { type Backend, setBackend } from './api.ts';
import { MemoryStorage } from './local/memory-folder.fixture.ts';
import { storedJournal } from './local/stored-journal.ts';
import { storedPictures } from './local/stored-pictures.ts';
import { keepZip } from './local/zip-pictures.ts';
import { board, perform, saved } from './store.ts';
import { uploadPictures } from './upload.ts';

vi.mock('../../web/raster.ts', () => ({ pixelsOfFile: async () => ({}), rasterOf: () => ({}) }));
vi.mock('../../web/session.ts', () => ({ thumbnailOf: async () => new Uint8Array(1) }));

it('claims no picture after an import, so that each can be removed once it is deleted', async () => {
  const storage = new MemoryStorage();
  const journal = await openJournal(storedJournal(storage.root));
  const pictures = storedPictures(storage.root, (hash) => isRemembered(journal.history, hash));
  const backend: Partial<Backend> = {
    board: async () => ({ version: 0, board: boardToJson(journal.history.board) }),
    async change(_, changes) {
      await journal.append(...changes);
      return { version: 0 };
    },
    keep: async (name, picture) => pictures.keep(name, new Uint8Array(await picture.arrayBuffer())),
    keepZip: (_, zip) => keepZip(pictures, zip),
    settle: (hashes) => pictures.settle(hashes),
    isThere: async () => true,
  };
  setBackend(backend as Backend);
  const files = {
    'train/cat/a.png': Uint8Array.of(1),
    'train/cat/b.png': Uint8Array.of(1),
    'test/cat/c.png': Uint8Array.of(2),
  };
  const zip = { path: 'cats.zip', file: new Blob([zipSync(files) as BlobPart]) };
  const alone = { path: 'a.png', file: new Blob([Uint8Array.of(1)]) };
  const stored = () => storage.paths.filter((path) => path.startsWith('pictures/'));
  await uploadPictures([alone, zip]);
  await uploadPictures([zip, alone, zip]);
  // The held-out picture is not stored.
  expect(stored()).toEqual([...board.value.pictures.keys()].map((hash) => `pictures/${hash}`));
  expect(stored()).toHaveLength(1);
  perform({ do: 'discard', hashes: [...board.value.pictures.keys()] });
  await saved();
  await journal.forget();
  expect(await pictures.removeOrphans()).toBe(1);
  expect(stored()).toEqual([]);
  await journal.close();
});
