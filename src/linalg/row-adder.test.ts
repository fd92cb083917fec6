import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHalf } from '../math/half.ts';
import { matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { withProducts } from './matrix-products.ts';
import { RowAdder } from './row-adder.ts';
import { UnitRows } from './unit-rows.ts';

const drawn = (n: number, seed: number, around = 0) => {
  const own = random('rows', seed);
  return Float32Array.from({ length: n }, () => around + own.normal());
};

const unitRows = new UnitRows();

describe('unit rows', () => {
  it('are those of double precision, whatever the width, from both precisions', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 }), fc.nat(), (d, n, seed) => {
        const values = drawn(n * d, seed).map((x) => 1e-4 + x);
        for (const given of [values, toHalf(values)]) {
          const units = unitRows.of(given, d)!;
          for (let i = 0; i < n; i++) {
            const length = Math.hypot(...values.subarray(i * d, (i + 1) * d));
            for (let j = 0; j < d; j++) {
              const error = Math.abs(units[i * d + j]! - values[i * d + j]! / length);
              expect(error).toBeLessThan(given === values ? 3e-7 : 2e-3);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('reads every finite half as it is', () => {
    const halves = Uint16Array.from({ length: 0x10000 }, (_, h) => h).filter((h) => (h & 0x7c00) !== 0x7c00);
    // Each number beside the largest one, so that its row has a length.
    const pairs = Uint16Array.from({ length: 2 * halves.length }, (_, i) =>
      i % 2 ? 0x7bff : halves[i >> 1]!,
    );
    const units = unitRows.of(pairs, 2)!;
    const numberOf = (h: number) => {
      const size = h & 0x7fff;
      const exponent = size >> 10;
      const value =
        exponent === 0 ? (size & 1023) * 2 ** -24 : (1 + (size & 1023) / 1024) * 2 ** (exponent - 15);
      return h & 0x8000 ? -value : value;
    };
    let worst = 0;
    halves.forEach((h, i) => {
      worst = Math.max(worst, Math.abs(units[2 * i]! / units[2 * i + 1]! - numberOf(h) / 65504));
    });
    expect(worst).toBeLessThan(2e-7);
  });

  it.each([0, 3, 8, 17])('are undefined if number %i is not finite, or a row is zero', (at) => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const values = drawn(36, 1);
      values[at] = bad;
      expect(unitRows.of(values, 18)).toBeUndefined();
      expect(unitRows.of(toHalf(values), 18)).toBeUndefined();
    }
    expect(unitRows.of(drawn(36, 1).fill(0, 18), 18)).toBeUndefined();
  });
});

describe('a row adder', () => {
  it.each([5, 128, 150])(
    'gives the sums of double precision, in parts of any size, for %i columns',
    async (d) => {
      const n = 2100;
      const rows = matrix(n, d, drawn(n * d, d, 3));
      const labels = Int32Array.from({ length: n }, (_, i) => (7 * i) % 3);
      const [byClass, squares] = [new Float64Array(3 * d), new Float64Array(d * d)];
      const [classSums, moments] = [new Float64Array(3 * d), new Float64Array(d * d)];
      for (let i = 0; i < n; i++)
        for (let j = 0; j < d; j++) {
          const x = rows.data[i * d + j]!;
          classSums[labels[i]! * d + j]! += x;
          for (let k = 0; k < d; k++) moments[j * d + k]! += x * rows.data[i * d + k]!;
        }
      await withProducts(undefined, async (products) => {
        const adder = new RowAdder(products);
        for (const [from, to] of [
          [0, 7],
          [7, 2090],
          [2090, n],
        ] as const) {
          const part = matrix(to - from, d, rows.data.subarray(from * d, to * d));
          adder.addByClass(byClass, part, labels.subarray(from, to));
          await adder.addSquares(squares, part);
          if (from === 7) await adder.flush();
        }
        await adder.flush();
        await adder.flush();
      });
      const difference = (a: Float64Array, b: Float64Array) =>
        a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
      expect(difference(byClass, classSums)).toBeLessThan(1e-7);
      expect(difference(squares, moments) / n).toBeLessThan(2e-6);
    },
  );
});

it('adds rows of different widths, also of the same numbers', async () => {
  const data = drawn(24, 2);
  await withProducts(undefined, async (products) => {
    const adder = new RowAdder(products);
    const sums = [3, 8, 2].map((d) => {
      const sum = new Float64Array(d);
      adder.addByClass(sum, matrix(24 / d, d, data), new Int32Array(24 / d));
      return sum;
    });
    const wide = matrix(3000, 40, drawn(120_000, 3));
    const total = new Float64Array(40);
    adder.addByClass(total, wide, new Int32Array(3000));
    await adder.flush();
    for (const sum of [...sums, total]) {
      const own = sum === total ? wide.data : data;
      sum.forEach((x, j) => {
        const column = own.filter((_, i) => i % sum.length === j);
        expect(x).toBeCloseTo(
          column.reduce((a, b) => a + b, 0),
          9,
        );
      });
    }
    await expect(adder.addSquares(new Float64Array(9), matrix(1, 2))).rejects.toThrow(RangeError);
  });
});

it('adds to a new sum while the engine computes', async () => {
  const [n, d] = [3000, 8];
  const rows = matrix(n, d, drawn(n * d, 4));
  const labels = Int32Array.from({ length: n }, (_, i) => i);
  await withProducts(undefined, async (products) => {
    const gram: typeof products.gram = async (a, width) => {
      await setImmediate();
      return products.gram(a, width);
    };
    const adder = new RowAdder({ ...products, gram });
    const [first, second] = [new Float64Array(d * d), new Float64Array(d * d)];
    const single = new Float64Array(n * d);
    await adder.addSquares(first, rows);
    adder.addByClass(single, rows, labels);
    await adder.addSquares(second, rows);
    await adder.flush();
    expect(single).toEqual(Float64Array.from(rows.data));
    expect(first).toEqual(second);
    expect(first[0]).toBeCloseTo(
      single.filter((_, i) => i % d === 0).reduce((sum, x) => sum + x * x, 0),
      2,
    );
  });
});

it('refuses labels that are no rows of the sums', async () => {
  await withProducts(undefined, async (products) => {
    const adder = new RowAdder(products);
    for (const label of [2, -1])
      expect(() => adder.addByClass(new Float64Array(4), matrix(1, 2), Int32Array.of(label))).toThrow(
        RangeError,
      );
  });
});
