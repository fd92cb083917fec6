import { appendFile, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openDiskJournal } from './disk-journal.ts';
import type { Change } from './history.ts';
import { changeSchema } from './journal.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'journal-'));
});
afterEach(() => rm(folder, { recursive: true }));

const add = (name: string): Change => ({ command: { do: 'add-class', id: name, name } });
const path = () => join(folder, 'session.jsonl');

/** Writes some changes, and ends without closing, as a killed process does. */
async function leave(...changes: Change[]) {
  const journal = await openDiskJournal(folder);
  for (const change of changes) await journal.append(change);
  return journal;
}

it('undoes changes that could not be written, and accepts later ones', async () => {
  const journal = await leave(add('cat'));
  const file = await open(path(), 'r');
  const { prototype } = file.constructor as { prototype: typeof file };
  await file.close();
  // Half a line reaches the disk, as on a full disk.
  const appending = vi.spyOn(prototype, 'appendFile').mockImplementationOnce(async () => {
    await appendFile(path(), '{"command":{"do":"add-cl');
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
  const failing = journal.append(add('dog'));
  // This change is made on a board that is then undone.
  const behind = journal.append({ command: { do: 'rename-class', id: 'dog', name: 'hound' } });
  await expect(failing).rejects.toMatchObject({ code: 'disk/full' });
  await expect(behind).rejects.toMatchObject({ code: 'disk/write' });
  expect(journal.history.board.classes.map(({ id }) => id)).toEqual(['cat']);
  await journal.append(add('cow'));
  appending.mockRestore();
  const again = await openDiskJournal(folder);
  expect(again.history.board.classes.map(({ id }) => id)).toEqual(['cat', 'cow']);
});

it('limits the length of a name after normalising it', async () => {
  // One letter that becomes two when it is normalised.
  const name = '\u0958'.repeat(150);
  expect(changeSchema.safeParse({ command: { do: 'add-class', id: 'a', name } }).success).toBe(false);
  expect(changeSchema.safeParse({ command: { do: 'add-class', id: 'a', name: '\ud800' } }).success).toBe(
    false,
  );
});

it('is refused if its board is invalid, with the line', async () => {
  const picture = { hash: '0'.repeat(64), name: 'a.png' };
  const cat = { id: 'a', name: 'cat' };
  for (const changed of [
    { classes: [cat, cat] },
    { pictures: [picture, picture] },
    { pictures: [{ ...picture, classId: 'b' }] },
  ]) {
    const base = { classes: [cat], pictures: [], settings: { method: 'auto', reject: 0 }, ...changed };
    await writeFile(path(), `${JSON.stringify({ base })}\n`);
    await expect(openDiskJournal(folder)).rejects.toMatchObject({
      code: 'studio/journal',
      details: { line: 1 },
    });
  }
});

it('is as it was left, with the way back', async () => {
  await leave(add('cat'), add('dog'), { move: 'undo' }, add('cow'));
  const journal = await openDiskJournal(folder);
  expect(journal.history.board.classes.map(({ id }) => id)).toEqual(['cat', 'cow']);
  await journal.append({ move: 'undo' });
  await journal.append({ move: 'undo' });
  expect(journal.history.board.classes).toEqual([]);
  await journal.close();
});

it('drops an incomplete last line, and continues after the lines before it', async () => {
  await leave(add('cat'));
  await appendFile(path(), '{"command":{"do":"add-cl');
  const journal = await openDiskJournal(folder);
  await journal.append(add('dog'));
  await journal.close();
  const again = await openDiskJournal(folder);
  expect(again.history.board.classes.map(({ id }) => id)).toEqual(['cat', 'dog']);
  await again.close();
});

it.each([
  ['empty', ''],
  ['without a complete line', '{"base":{"cla'],
])('is refused if it is %s, and is not replaced by an empty board', async (_, text) => {
  await writeFile(path(), text);
  await expect(openDiskJournal(folder)).rejects.toMatchObject({
    code: 'studio/journal',
    details: { line: 1 },
  });
  expect(await readFile(path(), 'utf8')).toBe(text);
});

it('is replaced by its board if it has too many lines, also if the last one is incomplete', async () => {
  await leave(add('cat'));
  await appendFile(path(), `${'{"move":"redo"}\n'.repeat(20_000)}{"command":`);
  const journal = await openDiskJournal(folder);
  // The steps to undo are lost in the file too.
  await journal.append({ move: 'undo' });
  await journal.close();
  const again = await openDiskJournal(folder);
  expect(again.history.board.classes.map(({ id }) => id)).toEqual(['cat']);
  await again.close();
});

it('reports the damaged line, and does not change the file', async () => {
  await leave(add('cat'), add('dog'));
  const lines = (await readFile(path(), 'utf8')).split('\n');
  lines[1] = '{"command":{"do":"format-disk"}}';
  await writeFile(path(), lines.join('\n'));
  await expect(openDiskJournal(folder)).rejects.toMatchObject({
    code: 'studio/journal',
    details: { line: 2 },
  });
  expect(await readFile(path(), 'utf8')).toBe(lines.join('\n'));
});

it('refuses a picture that is not named by a hash', () => {
  const pictures = [{ hash: '../../etc/passwd', name: 'x' }];
  expect(changeSchema.safeParse({ command: { do: 'add', pictures } }).success).toBe(false);
});
