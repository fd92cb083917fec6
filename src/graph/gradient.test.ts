import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromRows, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, sizeOf, type Tensor } from '../math/tensor.ts';
import {
  add,
  cos,
  div,
  erf,
  exp,
  less,
  log,
  maximum,
  mul,
  relu,
  sigmoid,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from './elementwise.ts';
import { type Expr, input, scalar } from './expression.ts';
import { gradients } from './gradient.ts';
import { interpret } from './interpret.ts';
import { concat, expandTo, pad, reshape, slice, transpose } from './layout.ts';
import { gemm, linear, matmul, unit } from './products.ts';
import { logSoftmax, logSumExp, max, mean, softmax, sum } from './reduce.ts';
import { attention, causalMask, layerNorm } from './sequence.ts';

/** Numbers that are not near 0, where relu and maximum have a kink and log is not defined. */
function fed(name: string, shape: number[]): Tensor {
  const r = random('gradient', name);
  return floatTensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => 0.3 + r.uniform()),
  );
}

/** A case gives the names that it uses. */
type Inputs = Record<'a' | 'b' | 'bias', Expr>;

/** Compares the graph's gradient of a weighted sum of the output with central differences in float64. */
function check(shapes: Record<string, number[]>, build: (inputs: Inputs) => Expr): void {
  const names = Object.keys(shapes);
  const inputs = Object.entries(shapes).map(([name, shape]) => input(name, shape));
  const feeds = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, fed(name, shape)]));
  const out = build(Object.fromEntries(inputs.map((expr, i) => [names[i], expr])) as Inputs);
  const weight = fed('weight', out.shape as number[]);
  const loss = sum(mul(out, input('weight', out.shape)), [...out.shape.keys()]);
  const grads = gradients(loss, inputs);
  const got = interpret(Object.fromEntries(grads.map((expr, i) => [names[i], expr])), { ...feeds, weight });
  const lossAt = (changed: Record<string, Tensor>) =>
    interpret({ loss }, { ...feeds, ...changed, weight }).loss.data[0]!;
  for (const [name, { data, shape }] of Object.entries(feeds)) {
    expect(got[name]!.shape, name).toEqual(shape);
    for (let i = 0; i < data.length; i++) {
      const step = 1e-5;
      const moved = (by: number): Record<string, Tensor> => {
        const next = Float64Array.from(data as Float32Array);
        next[i]! += by;
        return { [name]: { dtype: 'float64', shape, data: next } };
      };
      const numeric = (lossAt(moved(step)) - lossAt(moved(-step))) / (2 * step);
      expect(Math.abs(got[name]!.data[i]! - numeric), `${name}[${i}]`).toBeLessThan(
        1e-6 * (1 + Math.abs(numeric)),
      );
    }
  }
}

const AB = { a: [3, 4], b: [3, 4] };
const A = { a: [3, 4] };

describe('gradients agree with central differences', () => {
  it.each<[string, Record<string, number[]>, (inputs: Inputs) => Expr]>([
    ['add', AB, ({ a, b }) => add(a, b)],
    ['add, broadcast', { a: [3, 4], b: [4] }, ({ a, b }) => add(a, b)],
    ['sub, broadcast', { a: [3, 1], b: [3, 4] }, ({ a, b }) => sub(a, b)],
    ['mul, broadcast', { a: [2, 3, 4], b: [3, 1] }, ({ a, b }) => mul(a, b)],
    ['div', AB, ({ a, b }) => div(a, b)],
    ['maximum', AB, ({ a, b }) => maximum(a, b)],
    ['exp', A, ({ a }) => exp(a)],
    ['log', A, ({ a }) => log(a)],
    ['sqrt', A, ({ a }) => sqrt(a)],
    ['tanh', A, ({ a }) => tanh(a)],
    ['cos', A, ({ a }) => cos(a)],
    ['erf', A, ({ a }) => erf(a)],
    ['sigmoid', A, ({ a }) => sigmoid(a)],
    ['relu', A, ({ a }) => relu(sub(a, 0.8))],
    ['square', A, ({ a }) => square(a)],
    ['where', AB, ({ a, b }) => where(less(a, b), mul(a, 3), b)],
    ['sum', A, ({ a }) => sum(a, [0])],
    ['sum, kept', A, ({ a }) => mul(sum(a, [1], true), a)],
    ['mean', A, ({ a }) => mean(a, [0])],
    ['max', A, ({ a }) => max(a, [1])],
    ['logSumExp', A, ({ a }) => logSumExp(a)],
    ['logSoftmax', A, ({ a }) => logSoftmax(a)],
    ['softmax', A, ({ a }) => softmax(a)],
    ['gemm', { a: [3, 4], b: [4, 2], bias: [2] }, ({ a, b, bias }) => gemm(a, b, { bias })],
    ['gemm, bias by row', { a: [3, 4], b: [4, 2], bias: [3, 1] }, ({ a, b, bias }) => gemm(a, b, { bias })],
    ['gemm, A^T', { a: [4, 3], b: [4, 2] }, ({ a, b }) => gemm(a, b, { transposeA: true })],
    ['gemm, B^T', { a: [3, 4], b: [2, 4] }, ({ a, b }) => gemm(a, b, { transposeB: true })],
    [
      'gemm, A^T B^T',
      { a: [4, 3], b: [2, 4] },
      ({ a, b }) => gemm(a, b, { transposeA: true, transposeB: true }),
    ],
    ['linear, stacked', { a: [2, 3, 4], b: [5, 4], bias: [5] }, ({ a, b, bias }) => linear(a, b, bias)],
    ['matmul, stacked', { a: [2, 3, 4], b: [2, 4, 2] }, ({ a, b }) => matmul(a, b)],
    ['matmul, broadcast', { a: [1, 3, 4], b: [2, 4, 2] }, ({ a, b }) => matmul(a, b)],
    ['matmul, of another rank', { a: [3, 4], b: [2, 5, 4, 2] }, ({ a, b }) => matmul(a, b)],
    ['layerNorm', { a: [2, 3, 4], b: [4], bias: [4] }, ({ a, b, bias }) => layerNorm(a, b, bias)],
    ['attention', { a: [2, 3, 4], b: [2, 3, 4] }, ({ a, b }) => attention(a, b, mul(a, b), 2, causalMask(3))],
    ['unit', A, ({ a }) => unit(a)],
    ['reshape', A, ({ a }) => exp(reshape(a, [2, 6]))],
    ['transpose', { a: [2, 3, 4] }, ({ a }) => exp(transpose(a, [2, 0, 1]))],
    ['expandTo', { a: [1, 4] }, ({ a }) => exp(expandTo(a, [2, 3, 4]))],
    ['concat', { a: [3, 4], b: [3, 2] }, ({ a, b }) => exp(concat([a, b], 1))],
    ['slice', A, ({ a }) => exp(slice(a, 1, 1, 3))],
    ['pad', A, ({ a }) => exp(pad(a, 0, 1, 2))],
    ['a node used twice', A, ({ a }) => mul(exp(a), add(exp(a), a))],
  ])('%s', (_, shapes, build) => check(shapes, build));

  it('have the shapes of their operands, also after broadcasting', () => {
    const stack = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 });
    fc.assert(
      fc.property(
        stack,
        fc.array(fc.boolean(), { minLength: 2, maxLength: 2 }),
        fc.nat(2),
        (full, ones, cut) => {
          const repeated = full.map((size, i) => (ones[i] ? 1 : size)).slice(cut);
          for (const [first, second] of [
            [full, repeated],
            [repeated, full],
          ] as const) {
            check({ a: [...first, 2, 3], b: [...second, 3, 2] }, ({ a, b }) => matmul(a, b));
            check({ a: [...first, 2], b: [...second, 2] }, ({ a, b }) => mul(a, b));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('through the unit row of a row of zeros are finite, and the row stays zero', () => {
    const a = input('a', [2, 3]);
    const feeds = { a: floatTensor([2, 3], Float32Array.of(0, 0, 0, 3, 0, 4)) };
    const [g] = gradients(sum(mul(unit(a), scalar(2)), [0, 1]), [a]);
    const got = interpret({ unit: unit(a), g }, feeds);
    const rows = unitRows(
      fromRows([
        [0, 0, 0],
        [3, 0, 4],
      ]),
    );
    expect([...got.unit.data].map(Math.fround)).toEqual([...rows.data]);
    expect(got.g.data.every(Number.isFinite)).toBe(true);
  });

  it('are zero if the loss does not depend on a parameter, and are refused if the loss is not a scalar', () => {
    const a = input('a', [2]);
    const unused = input('unused', [3]);
    const [g] = gradients(sum(a, [0]), [unused]);
    expect([...interpret({ g }).g.data]).toEqual([0, 0, 0]);
    expect(() => gradients(a, [a])).toThrow(/scalar/);
    expect(gradients(scalar(1), [a])[0].shape).toEqual([2]);
  });
});
