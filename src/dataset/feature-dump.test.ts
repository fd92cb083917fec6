import { describe, expect, it } from 'vitest';
import { npy, npyLabels } from '../bench/dump.fixture.ts';
import { matrix } from '../math/matrix.ts';
import { isFeatureDump, readFeatureDump } from './feature-dump.ts';
import { ownFolder } from './folder.fixture.ts';

const own = ownFolder();
const { write } = own;

/** A table of one row for each label: 1, 0. */
const table = (name: string, ...labels: number[]): [string, Uint8Array][] => [
  [`${name}.npy`, npy(matrix(labels.length, 2, Float32Array.from(labels.flatMap(() => [1, 0]))))],
  [`${name}.labels.npy`, npyLabels(labels)],
];

/** A train table with its own number. */
const odd = (number: number): [string, Uint8Array] => [
  'train.npy',
  npy(matrix(2, 2, Float32Array.of(1, 0, number, 0))),
];

const INFO = '{"classes": ["cat", "dog"]}';

describe('a folder of features', () => {
  it.each([
    ['a byte order mark', Buffer.from(`\ufeff${INFO}`)],
    ['UTF-16', Buffer.from(`\ufeff${INFO}`, 'utf16le')],
  ])('has an info.json with %s', async (_, bytes) => {
    await write(['info.json', bytes], ...table('train', 0, 1));
    expect(await isFeatureDump(own.root)).toBe(true);
    expect((await readFeatureDump(own.root)).classes).toEqual(['cat', 'dog']);
  });

  it('has tables with names of splits, and reports those that it does not use', async () => {
    await write(['info.json', INFO], ...table('training', 0, 1, 1), ...table('validation', 0, 1));
    await write(...table('test_features', 1), ...table('extra', 0));
    const { train, val, test, findings } = await readFeatureDump(own.root);
    expect([train, val, test].map((rows) => rows?.labels.length)).toEqual([3, 2, 1]);
    expect(findings).toContain(`${own.root}: "extra" is not used, because no table has this name`);
  });

  it.each([
    ['two tables of a split', INFO, [...table('train', 0, 1), ...table('training', 0, 1)], 'dump/two-tables'],
    ['a class twice', '{"classes": ["cat", "ca\u200bt"]}', table('train', 0, 1), 'dump/classes'],
    [
      'a key twice',
      '{"classes": ["cat", "dog"], "classes": ["dog", "cat"]}',
      table('train', 0, 1),
      'dump/info',
    ],
    [
      'brackets in brackets',
      `{"classes": ${'['.repeat(1000)}${']'.repeat(1000)}}`,
      table('train', 0, 1),
      'dump/info',
    ],
    [
      'an infinite number',
      INFO,
      [odd(Number.POSITIVE_INFINITY), ...table('train', 0, 1).slice(1)],
      'dump/not-finite',
    ],
    ['what is no number', INFO, [odd(Number.NaN), ...table('train', 0, 1).slice(1)], 'dump/not-finite'],
    ['a class without a name', '{"classes": ["cat", " "]}', table('train', 0, 1), 'dump/info'],
  ])('is refused with %s', async (_, info, tables, code) => {
    await write(['info.json', info], ...tables);
    await expect(readFeatureDump(own.root)).rejects.toMatchObject({ code });
  });
});
