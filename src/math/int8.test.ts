import { expect, it } from 'vitest';
import { fromInt8 } from './from-int8.ts';
import { toInt8 } from './int8.ts';
import { fromRows } from './matrix.ts';

it('the largest number of a column is 127 units, for either sign', () => {
  const rows = fromRows([
    [1, -4, 0],
    [-0.25, 1, 0],
  ]);
  const int8 = toInt8(rows);
  expect([...int8.values]).toEqual([127, -127, 0, -32, 32, 0]);
  fromInt8(int8).forEach((x, at) => {
    expect(Math.abs(x - rows.data[at]!)).toBeLessThan(0.02);
  });
});
