import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { erf } from './erf.ts';
import { fromBfloat16, fromHalf, fromHalfBits, roundToHalf, toHalfBits } from './half.ts';
import {
  argmax,
  concatRows,
  fromRows,
  logSumExp,
  productT,
  row,
  selectRows,
  softmax,
  topK,
  unitRows,
} from './matrix.ts';
import { random } from './random.ts';

describe('matrix', () => {
  it('selects, stacks and multiplies rows', () => {
    const a = fromRows([
      [1, 2],
      [3, 4],
    ]);
    expect([...selectRows(a, [1, 1, 0]).data]).toEqual([3, 4, 3, 4, 1, 2]);
    expect([...concatRows([a, selectRows(a, [0])]).data]).toEqual([1, 2, 3, 4, 1, 2]);
    expect([...productT(a, a).data]).toEqual([5, 11, 11, 25]);
    expect(() => fromRows([[1], [1, 2]])).toThrow(/Row 1/);
    expect(() => productT(a, fromRows([[1]]))).toThrow(/width/);
  });

  it('makes unit rows and leaves zeros', () => {
    expect([
      ...unitRows(
        fromRows([
          [3, 4],
          [0, 0],
        ]),
      ).data,
    ]).toEqual([Math.fround(0.6), Math.fround(0.8), 0, 0]);
    expect([...row(unitRows(fromRows([[0, 5]])), 0)]).toEqual([0, 1]);
  });

  it('ranks equal values by their indices, the lowest first', () => {
    expect(argmax([1, 3, 3])).toBe(1);
    expect(argmax([])).toBe(-1);
    expect(topK([1, 3, 3, 2], 3)).toEqual([1, 2, 3]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), fc.nat(60), (values, k) => {
        const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
        expect(topK(values, k)).toEqual(sorted.slice(0, k));
      }),
    );
  });

  it('sums exponentials without overflow', () => {
    expect(logSumExp([1000, 1000])).toBeCloseTo(1000 + Math.log(2), 10);
    expect([...softmax([0, Math.log(3)])]).toEqual([expect.closeTo(0.25, 12), expect.closeTo(0.75, 12)]);
  });
});

describe('random', () => {
  it('is the same stream for the same seed on every machine', () => {
    const r = random('a', 1);
    expect([r.uniform(), r.uniform()].map((x) => Math.round(x * 1e9))).toMatchInlineSnapshot(`
      [
        337763245,
        841782007,
      ]
    `);
  });

  it('differs by seed and shuffles without losing anything', () => {
    expect(random('a', 1).uniform()).not.toBe(random('a', 2).uniform());
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const shuffled = random(seed).shuffle(items);
        expect([...shuffled].sort()).toEqual([...items].sort());
      }),
    );
  });

  it('shuffles into every order', () => {
    const orders = Array.from({ length: 200 }, (_, seed) => random(seed).shuffle(['a', 'b', 'c']).join(''));
    expect(new Set(orders).size).toBe(6);
  });

  it('draws uniform and normal numbers', () => {
    const r = random('moments');
    const uniform = Array.from({ length: 20_000 }, () => r.uniform());
    const normal = Array.from({ length: 20_000 }, () => r.normal());
    const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
    expect(mean(uniform)).toBeCloseTo(0.5, 1);
    expect(mean(normal.map((x) => x * x))).toBeCloseTo(1, 1);
  });
});

describe('half precision', () => {
  it('returns every representable number unchanged', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromHalfBits(bits);
      if (!Number.isNaN(value)) expect(toHalfBits(value)).toBe(bits);
    }
  });

  it('rounds to the nearest, ties to even', () => {
    expect(fromHalfBits(toHalfBits(1 + 2 ** -11))).toBe(1);
    expect(fromHalfBits(toHalfBits(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
    expect(fromHalfBits(toHalfBits(70000))).toBe(Number.POSITIVE_INFINITY);
    expect([1, 3, 5].map((halves) => toHalfBits(halves * 2 ** -25))).toEqual([0, 2, 2]);
    fc.assert(
      fc.property(fc.float({ min: -60000, max: 60000, noNaN: true }), (x) => {
        const rounded = roundToHalf(Float32Array.of(x))[0]!;
        expect(Math.abs(rounded - x)).toBeLessThanOrEqual(Math.max(Math.abs(x) * 2 ** -11, 2 ** -25));
      }),
    );
  });

  it('reads half and bfloat16 bits', () => {
    expect([...fromHalf(Uint16Array.of(0x3c00, 0xc000, 0x0001))]).toEqual([1, -2, 2 ** -24]);
    expect([...fromBfloat16(Uint16Array.of(0x3f80, 0xc040))]).toEqual([1, -3]);
  });
});

describe('erf', () => {
  it("agrees with C's erf in double precision", () => {
    const known: [number, number][] = [
      [0, 0],
      [1e-8, 1.1283791670955126e-8],
      [-0.001, -0.0011283787909692365],
      [0.5, 0.5204998778130465],
      [1.5, 0.9661051464753108],
      [2.449, 0.9994666230534129],
      [2.45, 0.999469419887749],
      [-2.46, -0.999496646359442],
      [4, 0.9999999845827421],
      [5.9, 0.9999999999999999],
      [30, 1],
    ];
    for (const [x, y] of known) expect(Math.abs(erf(x) - y), `erf ${x}`).toBeLessThan(1e-15);
    expect(erf(Number.NaN)).toBeNaN();
  });
});
