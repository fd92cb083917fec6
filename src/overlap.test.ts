import { describe, expect, it } from 'vitest';
import { giveWay } from './abort.ts';
import { overlapped } from './overlap.ts';

describe('overlapped work', () => {
  it('has its results in the order of the items, and two items in work at a time', async () => {
    let now = 0;
    let most = 0;
    const results = await overlapped([5, 1, 3, 0, 2], 100, async (turns, index) => {
      most = Math.max(most, ++now);
      for (let i = 0; i < turns; i++) await giveWay();
      now--;
      return 10 * index + turns;
    });
    expect(results).toEqual([5, 11, 23, 30, 42]);
    expect(most).toBe(2);
    expect(await overlapped([], 100, async () => 1)).toEqual([]);
  });

  it('has one item in work if the scores are many', async () => {
    let now = 0;
    const most = await overlapped([1, 2, 3], 16_000 * 1000, async () => {
      const own = ++now;
      await giveWay();
      now--;
      return own;
    });
    expect(most).toEqual([1, 1, 1]);
  });

  it('throws the error of an item when the one beside it has ended, and begins no other', async () => {
    const ended: number[] = [];
    const work = overlapped([0, 1, 2, 3], 100, async (item) => {
      await giveWay();
      if (item === 0) throw new Error('zero');
      await giveWay();
      ended.push(item);
    });
    await expect(work).rejects.toThrow('zero');
    expect(ended).toEqual([1]);
  });
});
