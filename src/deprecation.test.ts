import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { currentNames } from './deprecation.ts';
import { integer, refuseUnknown, resolveOptions } from './options.ts';

const table = {
  shots: integer({ default: 4, help: 'Examples.', formerly: { name: 'numShots', until: '0.9' } }),
  seed: integer({ default: 1, help: 'Seed.' }),
};

describe('an option that was renamed', () => {
  it('is accepted under its former name, and a note gives the new one', () => {
    const note = vi.fn();
    expect(currentNames(table, { numShots: 2, seed: 3 }, note)).toEqual({ shots: 2, seed: 3 });
    expect(note.mock.calls).toEqual([
      ['Option num-shots is called shots now. The former name works until version 0.9.'],
    ]);
    expect(currentNames(table, { shots: 2 }, note)).toEqual({ shots: 2 });
    expect(note).toHaveBeenCalledTimes(1);
  });

  it('warns a program once', async () => {
    const warned = once(process, 'warning');
    expect(resolveOptions(table, { numShots: '2' })).toEqual({ shots: 2, seed: 1 });
    const [warning] = await warned;
    expect(warning).toMatchObject({
      name: 'DeprecationWarning',
      message: expect.stringContaining('num-shots is called shots now'),
    });
    const again = vi.spyOn(process, 'emitWarning');
    resolveOptions(table, { numShots: 2 });
    expect(again).not.toHaveBeenCalled();
    again.mockRestore();
  });

  it('cannot be given under both names', () => {
    expect(() => resolveOptions(table, { numShots: 2, shots: 2 })).toThrow(
      'Option shots is given twice: num-shots is its former name',
    );
  });

  it('is checked under its new name', () => {
    expect(() => resolveOptions(table, { numShots: -1 })).toThrow('Option shots cannot be -1');
    expect(() => refuseUnknown({ numberShots: 1 }, Object.keys(table))).toThrow('no option numberShots');
  });
});
