import fc from 'fast-check';
import { expect, it } from 'vitest';
import { goldenSearch } from './golden-search.ts';

/** Points at which a search for the minimum of |x - least| evaluated it. */
async function looked(least: number, low = 0, high = 7): Promise<number[]> {
  const seen: number[] = [];
  await goldenSearch(
    async (x) => {
      seen.push(x);
      return Math.abs(x - least);
    },
    low,
    high,
  );
  return seen;
}

it('comes within a tenth of a grid cell of the minimum, wherever it is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 7, noNaN: true }), async (least) => {
      const seen = await looked(least);
      expect(seen.slice(0, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(Math.min(...seen.map((x) => Math.abs(x - least)))).toBeLessThan(0.1);
    }),
  );
});

it('keeps the minimum in every section', async () => {
  for (const least of [2.3, 2.9, 3.1, 3.8]) {
    const fine = (await looked(least)).slice(8);
    // Two cells, cut five times to 0.618 of their size: the last points are at least this near.
    for (const x of fine.slice(-2)) expect(Math.abs(x - least)).toBeLessThan(2 * 0.62 ** 5);
  }
});

it('stays within the bounds', async () => {
  for (const least of [-5, 20]) {
    const seen = await looked(least);
    expect(Math.min(...seen)).toBe(0);
    expect(Math.max(...seen)).toBe(7);
  }
});
