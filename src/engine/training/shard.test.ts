import { expect, it } from 'vitest';
import { mul, sub } from '../../graph/elementwise.ts';
import { input } from '../../graph/expression.ts';
import { sum } from '../../graph/reduce.ts';
import { floatTensor } from '../../math/tensor.ts';
import { interpreterEngine } from '../interpreter-engine.ts';

it('blocks in several chunks are trained as in one', async () => {
  const start = Float32Array.from({ length: 16 }, (_, i) => (i % 5) - 2);
  const trained = async (perChunk: number) => {
    const gap = sub(input('blockSums', [4]), input('target', [4]));
    const trainer = await interpreterEngine().train({
      parameters: { x: floatTensor([4, 4], start.slice()) },
      loss: sum(mul(gap, gap), [0]),
      optimiser: { kind: 'sgd' },
      blocks: {
        count: 4,
        perChunk,
        sliced: ['x'],
        partial: sum(mul(input('x', [perChunk, 4]), input('x', [perChunk, 4])), [1]),
        result: 'blockSums',
      },
    });
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) {
      losses.push(
        (await trainer.step({ target: floatTensor([4], Float32Array.of(1, 2, 3, 4)) }, 0.001)).loss,
      );
    }
    return { losses, x: [...((await trainer.read()).parameters.x!.data as Float32Array)] };
  };
  const whole = await trained(4);
  const sums = [0, 1, 2, 3].map((block) =>
    start.slice(4 * block, 4 * block + 4).reduce((n, x) => n + x * x, 0),
  );
  const loss = sums.reduce((total, own, block) => total + (own - (block + 1)) ** 2, 0);
  expect(whole.losses[0]).toBeCloseTo(loss, 4);
  expect(whole.losses[2]).toBeLessThan(whole.losses[0]!);
  expect(await trained(1)).toEqual(whole);
  expect(await trained(2)).toEqual(whole);
});
