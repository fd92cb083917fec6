import { expect, it } from 'vitest';
import { atOnce } from '../abort.ts';
import { roundToHalf } from './half.ts';
import { rowsToHalfInPieces } from './half-rows.ts';
import { matrix, norm, row, scaled, unitRows } from './matrix.ts';
import { random } from './random.ts';

const noise = random('half rows');
const unit = unitRows(
  matrix(
    3,
    64,
    Float32Array.from({ length: 192 }, () => noise.normal()),
  ),
);
const inHalf = (factor: number) => atOnce(rowsToHalfInPieces(scaled(unit, factor)));

it('rows that half precision holds are rounded at their own length', () => {
  for (const factor of [2e-3, 0.3, 1, 9.9, 6e4])
    expect(inHalf(factor).data, `${factor}`).toEqual(roundToHalf(scaled(unit, factor).data));
});

it('rows that half precision does not hold are brought to unit length before', () => {
  for (const factor of [1e-38, 1e-9, 1e-4, 1e6, 1e38]) {
    const rows = inHalf(factor);
    expect(norm(row(rows, 2))).toBeCloseTo(1, 3);
    rows.data.forEach((x, i) => {
      expect(Math.abs(x - unit.data[i]!)).toBeLessThan(1e-3);
    });
  }
});

it('rows of zeros stay zero', () => {
  expect(atOnce(rowsToHalfInPieces(matrix(2, 3))).data).toEqual(new Float32Array(6));
});
