import { describe, expect, it } from 'vitest';
import { floatTensor } from '../math/tensor.ts';
import { add, exp, mul } from './elementwise.ts';
import { constant, input, topological } from './expression.ts';
import { interpret } from './interpret.ts';
import { concat, expandTo, fill, reshape } from './layout.ts';
import { gemm } from './products.ts';
import { sum } from './reduce.ts';
import { simplify } from './simplify.ts';
import { averagePool, conv2d, maxPool } from './vision.ts';

const values = (...numbers: number[]) => Float32Array.from(numbers);

describe('shapes', () => {
  it('are inferred, with names for sizes known later', () => {
    const f = input('f', ['m', 8]);
    expect(gemm(f, input('keys', [5, 8]), { transposeB: true }).shape).toEqual(['m', 5]);
    expect(sum(reshape(f, ['m', 2, 4]), [2]).shape).toEqual(['m', 2]);
  });

  it('that do not fit are refused, naming the operation and both shapes', () => {
    const f = input('f', ['m', 8]);
    expect(() => gemm(f, input('keys', [5, 7]), { transposeB: true })).toThrow(/gemm.*\[m, 8\] and \[5, 7\]/);
    expect(() => add(input('a', [2, 3]), input('b', [2, 4]))).toThrow(/add.*\[2, 3\] and \[2, 4\]/);
    expect(() => reshape(input('a', [2, 3]), [5])).toThrow(/reshape/);
    expect(() => add(input('a', ['m']), input('b', ['n']))).toThrow(/m against n/);
  });
});

describe('interpreter', () => {
  it('names an input that was not fed', () => {
    expect(() => interpret({ y: exp(input('x', [2])) })).toThrow(/"x"/);
  });

  it('convolves and pools', () => {
    const x = constant(floatTensor([1, 1, 3, 3], values(1, 2, 3, 4, 5, 6, 7, 8, 9)));
    const weight = constant(floatTensor([1, 1, 2, 2], values(1, 0, 0, 1)));
    const twice = concat([x, mul(x, 10)], 1);
    const window = { kernel: [2, 2], stride: [1, 1] } as const;
    const got = interpret({
      conv: conv2d(x, weight),
      padded: conv2d(x, weight, { stride: [2, 2], pads: [1, 1, 0, 0] }),
      apart: conv2d(twice, constant(floatTensor([2, 1, 2, 2], values(1, 0, 0, 1, 0, 1, 1, 0))), {
        groups: 2,
      }),
      most: maxPool(x, window),
      middle: averagePool(x, window),
    });
    expect([...got.conv.data]).toEqual([6, 8, 12, 14]);
    expect([...got.apart.data]).toEqual([6, 8, 12, 14, 60, 80, 120, 140]);
    expect([...got.padded.data]).toEqual([1, 3, 7, 14]);
    expect([...got.most.data]).toEqual([5, 6, 8, 9]);
    expect([...got.middle.data]).toEqual([3, 4, 6, 7]);
  });
});

describe('simplify', () => {
  it('shares equal sub-expressions and computes constant ones', () => {
    const x = input('x', [2]);
    const two = mul(constant(floatTensor([2], values(1, 1))), 2);
    const { y } = simplify({ y: add(exp(mul(x, two)), exp(mul(x, two))) });
    expect(topological([y]).map((expr) => expr.op.name)).toEqual(['input', 'constant', 'mul', 'exp', 'add']);
  });

  it('removes products with 1, and repetitions that broadcasting makes needless', () => {
    const x = input('x', [2, 3, 4]);
    const g = input('g', [2, 1, 4]);
    const { y } = simplify({ y: mul(mul(expandTo(g, [2, 3, 4]), fill(1, [2, 3, 4])), x) });
    expect(topological([y]).map((expr) => expr.op.name)).toEqual(['input', 'input', 'mul']);
    const { z } = simplify({ z: mul(expandTo(g, [2, 3, 4]), 2) });
    expect(z.shape).toEqual([2, 3, 4]);
  });
});
