import { expect, it } from 'vitest';
import { fromHalf } from '../math/half.ts';
import { matrix } from '../math/matrix.ts';
import { numbersOf } from './parquet-writer.ts';

it('features in half precision keep the direction of rows that it cannot hold', () => {
  const features = matrix(3, 2, Float32Array.of(3e-9, -4e-9, 0.3, -0.4, 3e-30, -4e-30));
  const stored = fromHalf(numbersOf(features, 'float16') as Uint16Array);
  [0.6, -0.8, 0.3, -0.4, 0.6, -0.8].forEach((x, i) => {
    expect(stored[i]).toBeCloseTo(x, 3);
  });
});
