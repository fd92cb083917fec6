import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dot, fromRows, type Matrix, matrix, productT, row, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { duplicateFindings, exactDuplicates, groupDuplicates, nearDuplicates } from './duplicates.ts';
import { splitDataset } from './split.ts';
import type { Dataset } from './types.ts';

function dataset(labels: number[], groups: (string | undefined)[] = []): Dataset {
  return {
    name: 'test',
    root: '/test',
    classes: ['cat', 'dog'].map((id) => ({ id, name: id, promptName: id, prompts: [] })),
    examples: labels.map((label, i) => ({
      id: `${i}.jpg`,
      label,
      ...(groups[i] && { group: groups[i] }),
      read: async () => new Uint8Array(),
    })),
    findings: [],
  };
}

/** Unit rows around a few centres, so that cosines of all sizes occur. */
function clustered(n: number, d: number, spread: number): Matrix {
  const r = random('duplicates', n, d);
  const centres = Array.from({ length: 20 }, () => Array.from({ length: d }, () => r.normal()));
  const rows = Array.from({ length: n }, () => {
    const size = spread * r.uniform();
    return centres[r.integer(20)]!.map((x) => x + size * r.normal());
  });
  return unitRows(fromRows(rows));
}

/** All pairs, by plain loops. */
function pairsOf(m: Matrix, threshold: number): [number, number][] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < m.rows; i++) {
    for (let j = i + 1; j < m.rows; j++) if (dot(row(m, i), row(m, j)) >= threshold) pairs.push([i, j]);
  }
  return pairs;
}

describe('exactDuplicates', () => {
  it('groups equal hashes, and names one picture of each conflicting class', () => {
    const found = exactDuplicates(['x', 'y', 'x', 'z', 'x', 'z'], [0, 0, 0, 1, 1, -1]);
    expect(found.groups).toEqual([
      [0, 2, 4],
      [3, 5],
    ]);
    expect(found.conflicts).toEqual([{ a: 0, b: 4, similarity: 1 }]);
    expect(exactDuplicates(['x', 'x']).conflicts).toEqual([]);
  });
});

describe('nearDuplicates', () => {
  it.each([
    ['narrow rows', 300, 24, 1],
    ['wide rows, few candidates', 700, 160, 0.5],
    ['wide rows, several blocks', 1300, 130, 0.3],
  ])('finds exactly the pairs of a plain search: %s', async (_, n, d, spread) => {
    const m = clustered(n, d, spread);
    const labels = Array.from({ length: n }, (_, i) => i % 2);
    const pairs = pairsOf(m, 0.974);
    expect(pairs.length).toBeGreaterThan(10);
    const { groups, conflicts } = await nearDuplicates(m, { labels });
    expect(groups).toEqual(
      groupDuplicates(dataset(labels), pairs)
        .examples.reduce(collect, [])
        .filter((g) => g.length > 1),
    );
    const crossing = pairs.filter(([a, b]) => labels[a] !== labels[b]);
    const inConflict = new Set(conflicts.flatMap(({ a, b }) => [a, b]));
    expect([...inConflict].sort((a, b) => a - b)).toEqual(
      [...new Set(crossing.flat())].sort((a, b) => a - b),
    );
    for (const { a, b, similarity } of conflicts) {
      expect(a).toBeLessThan(b);
      expect(similarity).toBeCloseTo(dot(row(m, a), row(m, b)), 5);
    }
  });

  it('computes few full products', async () => {
    const m = clustered(700, 512, 0.5);
    let multiplications = 0;
    const product = async (a: Matrix, b: Matrix) => {
      multiplications += a.rows * b.rows * a.cols;
      return productT(a, b);
    };
    const { groups } = await nearDuplicates(m, { product });
    expect(groups).toEqual((await nearDuplicates(m)).groups);
    expect(multiplications).toBeLessThan((700 * 700 * 512) / 2);
  });

  it('accepts rows of zeros and no rows, and follows the threshold and the signal', async () => {
    expect(await nearDuplicates(matrix(3, 4))).toEqual({ groups: [], conflicts: [] });
    expect(await nearDuplicates(matrix(0, 4))).toEqual({ groups: [], conflicts: [] });
    const m = unitRows(
      fromRows([
        [1, 0],
        [1, 0.3],
        [0, 1],
      ]),
    );
    expect((await nearDuplicates(m)).groups).toEqual([]);
    expect((await nearDuplicates(m, { threshold: 0.95 })).groups).toEqual([[0, 1]]);
    await expect(nearDuplicates(m, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'interrupted',
    });
  });
});

/** Collects groups of indices by the group name of each example. */
function collect(
  groups: number[][],
  { group }: { group?: string },
  i: number,
  all: { group?: string }[],
): number[][] {
  if (group === undefined) return groups;
  const first = all.findIndex((example) => example.group === group);
  if (first === i) return [...groups, [i]];
  groups.find(([head]) => head === first)?.push(i);
  return groups;
}

describe('groupDuplicates', () => {
  it('joins pairs with the groups that their pictures were in', () => {
    const grouped = groupDuplicates(
      dataset([0, 0, 0, 1, 1, 1, 1], [undefined, 'burst', 'burst', 'walk', undefined, 'walk']),
      [
        [0, 1],
        [4, 6],
      ],
    );
    expect(grouped.examples.map(({ group }) => group)).toEqual([
      'burst',
      'burst',
      'burst',
      'walk',
      'like 4.jpg',
      'walk',
      'like 4.jpg',
    ]);
  });

  it('keeps each pair in one split', () => {
    const pair = fc.tuple(fc.nat(19), fc.nat(19));
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 6 }), fc.integer(), (pairs, seed) => {
        const data = dataset(Array.from({ length: 20 }, (_, i) => i % 2));
        const { examples } = splitDataset(groupDuplicates(data, pairs), { testFraction: 'auto', seed });
        for (const [a, b] of pairs) expect(examples[a]!.split).toBe(examples[b]!.split);
      }),
    );
  });
});

describe('duplicateFindings', () => {
  it('names both paths of a picture under two classes', () => {
    const data = dataset([0, 1, 1]);
    const findings = duplicateFindings(data, exactDuplicates(['x', 'x', 'y'], [0, 1, 1]));
    expect(findings.map(({ level, code, paths }) => [level, code, paths])).toEqual([
      ['info', 'dataset/duplicates', ['0.jpg', '1.jpg']],
      ['warning', 'dataset/same-picture', ['0.jpg', '1.jpg']],
    ]);
    expect(findings[1]!.message).toContain('0.jpg is "cat", and 1.jpg is "dog"');
  });

  it('counts pictures under two classes if there are many', () => {
    const labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
    const hashes = labels.map((_, i) => `${i % 5}`);
    const [, many, ...more] = duplicateFindings(dataset(labels), exactDuplicates(hashes, labels));
    expect(more).toEqual([]);
    expect(many).toMatchObject({ level: 'warning', code: 'dataset/same-picture' });
    expect(many?.message).toContain(
      '5 pairs of pictures are the same or nearly the same in two classes: "cat" and "dog" (5)',
    );
    expect(many?.paths?.[0]).toBe('0.jpg and 5.jpg');
  });
});
