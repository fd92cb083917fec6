import { buffer } from 'node:stream/consumers';
import { strFromU8, unzipSync } from 'fflate';
import { expect, it, vi } from 'vitest';
import { FIRST } from '../../desk.ts';
import { MemoryStorage } from './memory-folder.fixture.ts';
import { storedWorkspace } from './stored-workspace.ts';

vi.mock('./stored-teacher.ts', () => ({ storedTeacher: () => ({}) }));

const [first, second, third] = ['1', '2', '3'].map((digit) => digit.repeat(64)) as [string, string, string];

/** A workspace whose first project has a picture on the board, and another one that was deleted. */
async function workspaceOf(storage: MemoryStorage) {
  const workspace = storedWorkspace(storage.root, () => Promise.reject(new Error('no encoder')));
  const journal = await workspace.openJournal(FIRST);
  for (const hash of [first, second])
    await journal.append({ command: { do: 'add', pictures: [{ hash, name: 'a.png' }] } });
  await journal.append({ command: { do: 'discard', hashes: [second] } });
  await journal.close();
  const keep = (path: string) => storage.files.set(path, Uint8Array.of(1));
  for (const hash of [first, second, third]) {
    keep(`pictures/${hash}`);
    keep(`thumbnails/${hash}.jpg`);
    keep(`features/encoder/${hash}`);
  }
  return workspace;
}

it('removes at its start what interrupted imports and copies left, and nothing else', async () => {
  const storage = new MemoryStorage();
  const workspace = await workspaceOf(storage);
  await workspace.copy(FIRST, 'copy');
  const half = `projects/half/pictures/${first}`;
  storage.files.set(half, Uint8Array.of(1));
  const before = storage.paths;
  await workspace.tidy();
  // The deleted picture comes back with undo.
  const gone = before.filter((path) => !storage.files.has(path));
  const orphans = ['', 'projects/copy/'].flatMap((folder) => [
    `${folder}pictures/${third}`,
    `${folder}thumbnails/${third}.jpg`,
  ]);
  expect(gone).toEqual([...orphans, `features/encoder/${third}`, half].sort());
  await workspace.tidy();
  expect(before.filter((path) => !storage.files.has(path))).toEqual(gone);
});

it('a project whose files cannot be opened keeps everything, and the others are tidied', async () => {
  const storage = new MemoryStorage();
  const workspace = await workspaceOf(storage);
  await workspace.copy(FIRST, 'copy');
  const before = storage.paths;
  storage.unreadable = 'session.jsonl';
  await workspace.tidy();
  const gone = before.filter((path) => !storage.files.has(path));
  expect(gone).toEqual([`projects/copy/pictures/${third}`, `projects/copy/thumbnails/${third}.jpg`]);
});

it.each([
  ['a damaged journal', '{"base":"damaged"}\n'],
  ['an empty journal', ''],
  ['a torn first line', '{"base":{"cla'],
  ['no journal', undefined],
])('a project with %s is not opened and keeps everything', async (_, text) => {
  const storage = new MemoryStorage();
  const workspace = await workspaceOf(storage);
  if (text === undefined) storage.files.delete('session.jsonl');
  else storage.files.set('session.jsonl', new TextEncoder().encode(text));
  // The journal of a copy was about to be put in its place.
  storage.files.set('projects/copy/session.jsonl.new', Uint8Array.of(1));
  storage.files.set(`projects/copy/pictures/${first}`, Uint8Array.of(1));
  const before = storage.paths;
  for (let start = 0; start < 2; start++) {
    await workspace.tidy();
    for (const id of [FIRST, 'copy'])
      await expect(workspace.openJournal(id)).rejects.toMatchObject({ code: 'studio/journal' });
  }
  expect(storage.paths).toEqual(before);
});

it.each([
  ['jpeg', '\xff\xd8\xff\xe0'],
  ['heic', '\0\0\0\x18ftypmif1\0\0\0\0mif1heic'],
  ['avif', '\0\0\0\x18ftypmif1\0\0\0\0mif1avif'],
  ['tiff', 'II*\0'],
  ['jxl', '\xff\x0a'],
])('saves a picture of a project without a journal under a name that ends with .%s', async (ending, text) => {
  const storage = new MemoryStorage();
  storage.files.set(`projects/lost/pictures/${first}`, Buffer.from(text, 'latin1'));
  const { rescue } = storedWorkspace(storage.root, () => Promise.reject(new Error('no encoder')));
  const files = unzipSync(await buffer(await rescue('lost')));
  const [path = ''] = Object.keys(files).filter((name) => name.endsWith(`picture 1.${ending}`));
  expect(strFromU8(files[path]!, true)).toBe(text);
});

it('forgets deleted pictures only when asked, and undo ends there', async () => {
  const storage = new MemoryStorage();
  const workspace = await workspaceOf(storage);
  const journal = await workspace.openJournal(FIRST);
  const late = journal.append({ command: { do: 'add-class', id: 'a', name: 'cat' } });
  await journal.forget();
  await late;
  await journal.append({ command: { do: 'add-class', id: 'b', name: 'dog' } });
  await journal.close();
  await workspace.tidy();
  expect(storage.paths.filter((path) => path.startsWith('pictures/'))).toEqual([`pictures/${first}`]);
  const again = await workspace.openJournal(FIRST);
  expect(again.history.board.classes.map(({ name }) => name)).toEqual(['cat', 'dog']);
  expect(again.history.past).toHaveLength(1);
});

it('forgets nothing if the storage is full, and later changes are as in the file', async () => {
  const storage = new MemoryStorage();
  const workspace = await workspaceOf(storage);
  const journal = await workspace.openJournal(FIRST);
  const { history } = journal;
  storage.room = 0;
  const forgotten = journal.forget();
  const undone = journal.append({ move: 'undo' });
  expect(journal.history).toBe(history);
  await expect(forgotten).rejects.toMatchObject({ code: 'studio/quota' });
  await undone;
  expect([...journal.history.board.pictures.keys()]).toEqual([first, second]);
  await journal.close();
  const again = await workspace.openJournal(FIRST);
  expect(again.history).toEqual(journal.history);
});

it('an undo during the forgetting waits, and changes nothing', async () => {
  const workspace = await workspaceOf(new MemoryStorage());
  const journal = await workspace.openJournal(FIRST);
  const forgotten = journal.forget();
  await Promise.all([journal.append({ move: 'undo' }), journal.forget(), forgotten]);
  expect([...journal.history.board.pictures.keys()]).toEqual([first]);
  await journal.close();
  const again = await workspace.openJournal(FIRST);
  expect(again.history).toEqual(journal.history);
});
