import { expect, it } from 'vitest';
import { random } from '../math/random.ts';
import { ENTRY_WORDS, entryOf, KeyTable } from './key-table.ts';

const draw = random('keys', 1);
const MANY = 20_000;
const keys = Array.from({ length: MANY }, () =>
  Uint32Array.from({ length: 4 }, () => draw.uniform() * 2 ** 32),
);
const placeOf = (i: number) => ({ offset: i * 2 ** 33 + i, length: i });

function tableOf(entries: readonly Uint32Array[]): KeyTable {
  const table = new KeyTable();
  const words = new Uint32Array(entries.length * ENTRY_WORDS);
  entries.forEach((entry, i) => {
    words.set(entry, i * ENTRY_WORDS);
  });
  table.add(words);
  return table;
}

it('finds every added key, and no other', () => {
  const known = MANY / 2;
  const table = tableOf(keys.slice(0, known).map((key, i) => entryOf(key, placeOf(i))));
  expect(table.size).toBe(known);
  expect(keys.map((key) => table.find(key))).toEqual(
    keys.map((_, i) => (i < known ? placeOf(i) : undefined)),
  );
});

it('distinguishes keys that differ in any word, and returns the last place of a key', () => {
  const near = [0, 1, 2, 3].map((word) =>
    Uint32Array.from(keys[0]!, (value, i) => value ^ Number(i === word)),
  );
  const all = [keys[0]!, ...near];
  const table = tableOf([
    ...all.map((key) => entryOf(key, placeOf(9))),
    ...all.map((key, i) => entryOf(key, placeOf(i))),
  ]);
  expect(table.size).toBe(5);
  expect(all.map((key) => table.find(key))).toEqual(all.map((_, i) => placeOf(i)));
});

it('skips an entry with any wrong bit', () => {
  for (let bit = 0; bit < 32 * ENTRY_WORDS; bit++) {
    const entry = entryOf(keys[1]!, placeOf(1));
    entry[bit >> 5]! ^= 1 << (bit & 31);
    expect(tableOf([entry, entryOf(keys[2]!, placeOf(2))]).size, `bit ${bit}`).toBe(1);
  }
  expect(
    tableOf([entryOf(keys[1]!, { offset: 0, length: 2 ** 25 }), new Uint32Array(ENTRY_WORDS)]).size,
  ).toBe(0);
});
