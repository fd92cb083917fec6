import { expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { EMPTY_BOARD } from './board.ts';
import { Desk, FIRST, type Workspace } from './desk.ts';
import { type JournalFile, openJournal } from './journal.ts';
import type { Session } from './session.ts';

/** A journal's file that forgets what is written. */
const emptyFile: JournalFile = {
  name: 'session.jsonl',
  hint: '',
  read: async () => undefined,
  replace: async () => {},
  open: async () => ({
    length: 0,
    append: async () => {},
    truncate: async () => {},
    close: async () => {},
  }),
};

/** A workspace whose damaged projects cannot be opened. */
function workspaceOf(last: string, others: string[], damaged: string[]): Workspace<Session> {
  const unlessDamaged = <T>(id: string, value: T): T => {
    if (damaged.includes(id))
      throw new DataError('session.jsonl is damaged in line 2', { code: 'studio/journal' });
    return value;
  };
  return {
    others: async () => others,
    folderOf: (id) => id,
    boardOf: async (id) => unlessDamaged(id, EMPTY_BOARD),
    openJournal: async () => openJournal(emptyFile),
    copy: async () => {},
    remove: async () => {},
    readCurrent: async () => last,
    writeCurrent: async () => {},
    open: async (id) => unlessDamaged(id, { board: EMPTY_BOARD } as Session),
  };
}

it('lists a damaged project as such, with the others', async () => {
  const desk = await Desk.open(workspaceOf(FIRST, ['bad', 'good'], ['bad']), 'built-in');
  expect((await desk.projects()).projects).toMatchObject([
    { id: FIRST },
    { id: 'bad', problem: { code: 'studio/journal' } },
    { id: 'good' },
  ]);
});

it('opens another project if the last one is damaged, and throws if all are', async () => {
  const desk = await Desk.open(workspaceOf('bad', ['bad', 'good'], ['bad', FIRST]), 'built-in');
  expect((await desk.projects()).current).toBe('good');
  await expect(Desk.open(workspaceOf(FIRST, [], [FIRST]), 'built-in')).rejects.toMatchObject({
    code: 'studio/journal',
  });
});

it('removes a copy that fails, and keeps the open project open', async () => {
  const full = new DataError('This browser gives the page no more room', { code: 'studio/quota' });
  const removed: string[] = [];
  const workspace: Workspace<Session> = {
    ...workspaceOf(FIRST, ['good'], []),
    copy: async () => {
      throw full;
    },
    remove: async (id) => void removed.push(id),
  };
  const desk = await Desk.open(workspace, 'built-in');
  await expect(desk.duplicate('copy')).rejects.toBe(full);
  await expect(desk.create('x'.repeat(201))).rejects.toMatchObject({ code: 'studio/change' });
  expect(removed).toHaveLength(2);
  expect((await desk.projects()).current).toBe(FIRST);
});

it('opens the project again from which it cannot go to another one', async () => {
  let opened: string[] = [];
  const session = { board: EMPTY_BOARD, lend: () => 'built-in', close: async () => {} } as Partial<Session>;
  const desk = await Desk.open(
    {
      ...workspaceOf(FIRST, ['full'], []),
      open: async (id) => {
        opened.push(id);
        if (id === 'full') throw new DataError('no room', { code: 'studio/quota' });
        return session as Session;
      },
    },
    'built-in',
  );
  opened = [];
  await expect(desk.switchTo('full')).rejects.toMatchObject({ code: 'studio/quota' });
  expect(opened).toEqual(['full', FIRST]);
  expect((await desk.projects()).current).toBe(FIRST);
});
