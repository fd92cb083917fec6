import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auroc } from './auroc.ts';

describe('auroc', () => {
  it('is 1 for a perfect order, 0 for its reverse, and half for ties', () => {
    expect(auroc([1, 2, 3, 4], [false, false, true, true])).toBe(1);
    expect(auroc([4, 3, 2, 1], [false, false, true, true])).toBe(0);
    expect(auroc([1, 1, 1], [true, false, true])).toBe(0.5);
    expect(auroc([0.1, 0.4, 0.35, 0.8], [false, false, true, true])).toBe(0.75);
  });

  it('is NaN without both kinds', () => {
    expect(auroc([1, 2], [true, true])).toBeNaN();
    expect(auroc([], [])).toBeNaN();
  });

  it('is the share of pairs in the right order', () => {
    const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.boolean()), {
      minLength: 2,
      maxLength: 40,
    });
    fc.assert(
      fc.property(rows, (pairs) => {
        const yes = pairs.filter(([, positive]) => positive);
        const no = pairs.filter(([, positive]) => !positive);
        fc.pre(yes.length > 0 && no.length > 0);
        let won = 0;
        for (const [a] of yes) for (const [b] of no) won += a > b ? 1 : a === b ? 0.5 : 0;
        expect(
          auroc(
            pairs.map(([s]) => s),
            pairs.map(([, p]) => p),
          ),
        ).toBeCloseTo(won / (yes.length * no.length), 12);
      }),
    );
  });
});
