import { basename } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nameGiver } from './safe-names.ts';

it('makes names safe, and different from those that are taken', () => {
  const give = nameGiver(['unsure']);
  const names = ['cat', 'a/b', '../..', 'CON', '猫', 'x'.repeat(300), '  ', 'unsure', 'Cat'];
  expect(names.map((name) => give(name))).toEqual([
    'cat',
    'a_b',
    '_',
    '_CON',
    '猫',
    'x'.repeat(200),
    '_ (2)',
    'unsure (2)',
    'Cat (2)',
  ]);
});

it('counts before the ending of a file', () => {
  const give = nameGiver();
  expect([give('a', '.jpg'), give('A', '.jpg'), give('a', '.png')]).toEqual(['a.jpg', 'A (2).jpg', 'a.png']);
});

it('gives every name a unique safe name', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 20 }), (list) => {
      const give = nameGiver();
      const names = list.map((name) => give(name));
      expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(list.length);
      for (const name of names) {
        expect(name).toBe(basename(name));
        expect(['', '.', '..']).not.toContain(name);
      }
    }),
  );
});
