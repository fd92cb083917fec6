import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyCommand, type Board, boardFromJson, boardToJson, type Command, EMPTY_BOARD } from './board.ts';
import { applyChange, beginHistory } from './history.ts';

const hashOf = (n: number) => n.toString(16).padStart(64, '0');
const played = (...commands: Command[]) => commands.reduce(applyCommand, EMPTY_BOARD);
const cats: Command = { do: 'add-class', id: 'c', name: 'cats' };
const dogs: Command = { do: 'add-class', id: 'd', name: 'dogs' };
const put = (n: number, classId?: string): Command => ({
  do: 'add',
  pictures: [{ hash: hashOf(n), name: `${n}.png`, classId }],
});

describe('a board', () => {
  it('has a picture once, and does not move it when it is added again', () => {
    const board = played(cats, dogs, put(1, 'c'), put(1, 'd'));
    expect([...board.pictures.values()]).toEqual([{ hash: hashOf(1), name: '1.png', classId: 'c' }]);
  });

  it('merges a class that is given the name of another', () => {
    const board = played(cats, dogs, put(1, 'c'), put(2, 'd'), {
      do: 'rename-class',
      id: 'c',
      name: 'Dogs ',
    });
    expect(board.classes).toEqual([{ id: 'd', name: 'dogs' }]);
    expect([...board.pictures.values()].map(({ classId }) => classId)).toEqual(['d', 'd']);
  });

  it('discards a class with its pictures', () => {
    const board = played(cats, dogs, put(1, 'c'), put(2, 'd'), { do: 'discard-class', id: 'c' });
    expect([...board.pictures.keys()]).toEqual([hashOf(2)]);
  });

  it('puts a picture of a class that is gone among the unsorted', () => {
    expect(played(put(1, 'gone')).pictures.get(hashOf(1))?.classId).toBeUndefined();
  });

  it('keeps pictures confirmed until they are moved', () => {
    const board = played(cats, dogs, put(1, 'c'), put(2, 'c'), {
      do: 'confirm',
      hashes: [hashOf(1), hashOf(2), hashOf(9)],
    });
    expect([...board.confirmed]).toEqual([hashOf(1), hashOf(2)]);
    const moved = applyCommand(board, { do: 'place', hashes: [hashOf(1)], classId: 'd' });
    expect([...moved.confirmed]).toEqual([hashOf(2)]);
    expect(boardFromJson(boardToJson(moved)).confirmed).toEqual(moved.confirmed);
  });

  it('does not change by a command about something that is gone', () => {
    const board = played(cats, put(1, 'c'));
    for (const command of [
      { do: 'place', hashes: [hashOf(1)], classId: 'gone' },
      { do: 'place', hashes: [hashOf(9)], classId: 'c' },
      { do: 'discard', hashes: [hashOf(9)] },
      { do: 'confirm', hashes: [hashOf(9)] },
      { do: 'rename-class', id: 'gone', name: 'x' },
      { do: 'rename-class', id: 'c', name: '  ' },
      { do: 'merge-classes', from: 'c', into: 'gone' },
      { do: 'discard-class', id: 'gone' },
    ] satisfies Command[])
      expect(applyCommand(board, command)).toBe(board);
  });
});

const id = fc.constantFrom('a', 'b', 'c');
const hash = fc.integer({ min: 0, max: 5 }).map(hashOf);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ do: fc.constant('add-class' as const), id, name: id }),
  fc.record({ do: fc.constant('rename-class' as const), id, name: id }),
  fc.record({ do: fc.constant('discard-class' as const), id }),
  fc.record({ do: fc.constant('confirm' as const), hashes: fc.array(hash, { maxLength: 3 }) }),
  fc.record({ do: fc.constant('merge-classes' as const), from: id, into: id }),
  fc.record({ do: fc.constant('discard' as const), hashes: fc.array(hash) }),
  fc.record({ do: fc.constant('place' as const), hashes: fc.array(hash), classId: id }),
  fc.record({
    do: fc.constant('add' as const),
    pictures: fc.array(fc.record({ hash, name: fc.string(), classId: id })),
  }),
);

describe('any commands', () => {
  it('leave no picture in a missing class, and no two classes with the same name', () => {
    fc.assert(
      fc.property(fc.array(command), (commands) => {
        const { classes, pictures } = played(...commands);
        const ids = new Set(classes.map((known) => known.id));
        expect([...pictures.values()].every(({ classId }) => classId === undefined || ids.has(classId))).toBe(
          true,
        );
        expect(new Set(classes.map(({ name }) => name)).size).toBe(classes.length);
      }),
    );
  });

  it('can be undone to the beginning and redone to the end', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        let history = commands.reduce((h, c) => applyChange(h, { command: c }), beginHistory(EMPTY_BOARD));
        const end: Board = history.board;
        const steps = history.past.length;
        for (let i = 0; i < steps; i++) history = applyChange(history, { move: 'undo' });
        expect(history.board).toBe(EMPTY_BOARD);
        for (let i = 0; i < steps; i++) history = applyChange(history, { move: 'redo' });
        expect(history.board).toBe(end);
      }),
    );
  });

  it('are unchanged after conversion to JSON and back', () => {
    fc.assert(
      fc.property(fc.array(command), (commands) => {
        const board = played(...commands);
        expect(boardFromJson(JSON.parse(JSON.stringify(boardToJson(board))))).toEqual(board);
      }),
    );
  });
});

describe('a history', () => {
  it('undoes the commands of one step together', () => {
    const drop = [put(1, 'c'), put(2, 'c')].map((each) => ({ command: each, step: 'drop' }));
    const history = [{ command: cats }, ...drop].reduce(applyChange, beginHistory(EMPTY_BOARD));
    expect(applyChange(history, { move: 'undo' }).board.pictures.size).toBe(0);
  });

  it('forgets undone steps after another change', () => {
    const history = [{ command: cats }, { move: 'undo' } as const, { command: dogs }].reduce(
      applyChange,
      beginHistory(EMPTY_BOARD),
    );
    expect(applyChange(history, { move: 'redo' })).toBe(history);
  });
});
