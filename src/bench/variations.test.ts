import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLIP_DEFAULTS } from '../encoder/registry.ts';
import { dot, matrix, row } from '../math/matrix.ts';
import { countByClass, plainSupport } from '../methods/task.ts';
import type { BenchSource, TestRows } from './bench-source.ts';
import { rowsOf } from './dump.fixture.ts';
import { alsoTestedOn, baseToNew, sharedRows, unbalanced, withCacheSize } from './variations.ts';

const CLASSES = ['ant', 'bee', 'cow', 'dog', 'elk'];

function source(change: Partial<BenchSource> = {}): BenchSource {
  const labels = CLASSES.flatMap((_, c) => [c, c, c]);
  return {
    name: 'made',
    encoder: 'e',
    fingerprint: 'f',
    classes: CLASSES,
    order: [4, 3, 2, 1, 0],
    dimension: 8,
    defaults: CLIP_DEFAULTS,
    seeded: true,
    has: () => true,
    draw: (shots, seed) => {
      const drawn = CLASSES.flatMap((_, c) => new Array<number>(shots).fill(c));
      return plainSupport(rowsOf(drawn, `draw ${seed}`), drawn);
    },
    testRows: () => [{ on: '', features: rowsOf(labels, 'test'), labels: Int32Array.from(labels) }],
    how: 'test rows',
    notes: [],
    ...change,
  };
}

describe('variations of a source', () => {
  it('base to new uses the order of the source, and has one more base class if the number is odd', () => {
    const val = { features: matrix(3, 8), labels: Int32Array.of(1, 4, 0) };
    const varied = baseToNew(source({ val }));
    expect(varied.val?.labels).toEqual(Int32Array.of(4));
    const support = varied.draw(2, 1)!;
    expect(new Set(support.labels)).toEqual(new Set([4, 3, 2]));
    const [all, base, fresh] = varied.testRows(support) as [TestRows, TestRows, TestRows];
    expect(base).toMatchObject({ on: 'base', among: [4, 3, 2] });
    expect(fresh).toMatchObject({ on: 'new', among: [1, 0] });
    expect([...fresh.labels]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(fresh.features.rows).toBe(6);
    expect(all.labels).toHaveLength(15);
    expect(varied.fingerprint).not.toBe('f');
  });

  it('unbalanced: the most frequent class has all examples and the rarest has one, in an order from the seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 32 }), fc.integer({ min: 1, max: 1000 }), (shots, seed) => {
        const support = unbalanced(source()).draw(shots, seed)!;
        const counts = [...countByClass(support.labels, CLASSES.length)].sort((a, b) => a - b);
        expect(counts[0]).toBe(1);
        expect(counts.at(-1)).toBe(shots);
        expect(unbalanced(source()).draw(shots, seed)!.features).toEqual(support.features);
      }),
      { numRuns: 30 },
    );
    const frequent = Array.from({ length: 20 }, (_, seed) => {
      const counts = countByClass(unbalanced(source()).draw(8, seed)!.labels, CLASSES.length);
      return counts.indexOf(8);
    });
    expect(new Set(frequent).size).toBeGreaterThan(2);
  });

  it('unbalanced is tested on the rows of the rarest and of the most frequent classes', () => {
    const varied = unbalanced(source());
    const support = varied.draw(9, 3)!;
    const counts = countByClass(support.labels, CLASSES.length);
    const [all, rarest, frequent] = varied.testRows(support) as [TestRows, TestRows, TestRows];
    expect(all.labels).toHaveLength(15);
    expect(counts[rarest.labels[0]!]).toBe(1);
    expect(counts[frequent.labels[0]!]).toBe(9);
  });

  it('a smaller cache holds unit means of all the examples', () => {
    const whole = source().draw(4, 1)!;
    const one = withCacheSize(source(), 1).draw(4, 1)!;
    expect([...one.labels]).toEqual([0, 1, 2, 3, 4]);
    for (let c = 0; c < 5; c++) {
      const own = row(one.features, c);
      const sum = Float64Array.from(own, (_, j) =>
        [0, 1, 2, 3].reduce((total, i) => total + row(whole.features, 4 * c + i)[j]!, 0),
      );
      const length = Math.sqrt(dot(sum, sum));
      own.forEach((x, j) => {
        expect(x).toBeCloseTo(sum[j]! / length, 5);
      });
    }
    expect(countByClass(withCacheSize(source(), 3).draw(4, 1)!.labels, 5)).toEqual(
      Int32Array.of(3, 3, 3, 3, 3),
    );
    expect(withCacheSize(source(), 3).draw(2, 1)!.labels).toHaveLength(10);
  });

  it('another test set is renumbered by class names, and classes without a counterpart are counted', () => {
    const target = source({
      name: 'other',
      classes: ['Cow', 'ant', 'zebra'],
      testRows: () => [{ on: '', features: matrix(4, 8), labels: Int32Array.of(0, 1, 2, 2) }],
    });
    expect(sharedRows(source(), target)).toMatchObject({ labels: Int32Array.of(2, 0), leftOut: 2 });
    const testRows = alsoTestedOn(source(), [target]).testRows(source().draw(1, 1)!);
    expect(testRows.map(({ on, labels }) => [on, labels.length])).toEqual([
      ['made', 15],
      ['other', 2],
    ]);
  });
});
