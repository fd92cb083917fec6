import { expect, it } from 'vitest';
import { DataError } from '../errors.ts';
import { EMPTY_BOARD } from './board.ts';
import { Desk, FIRST, type Workspace } from './desk.ts';
import type { Session } from './session.ts';

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
    create: async () => {},
    copy: async () => {},
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
