import { sizeOf } from '../math/tensor.ts';
import { broadcastShape, div, equal, less, mul, sqrt, where } from './elementwise.ts';
import {
  apply,
  type Dim,
  type Expr,
  isInput,
  type Op,
  shapeError,
  topological,
  type Value,
  zeros,
} from './expression.ts';
import { reshape, transpose } from './layout.ts';
import { sum } from './reduce.ts';

/** Matrix products. Flags transpose an operand within the product, without moving it in memory. */

export type Transposed = { readonly transposeA: boolean; readonly transposeB: boolean };

/** Numbers of rows and columns of a matrix or of its transpose. */
function rowsAndColumns<D extends Dim>([rows, columns]: readonly D[], transposed: boolean): [D, D] {
  return transposed ? [columns!, rows!] : [rows!, columns!];
}

const gemmOp: Op<Transposed, [Expr, Expr, ...Expr[]]> = {
  name: 'gemm',
  infer: ([a, b, bias], { transposeA, transposeB }) => {
    if (a.shape.length !== 2 || b.shape.length !== 2) throw shapeError('gemm', 'takes two matrices', a, b);
    const [m, k] = rowsAndColumns(a.shape, transposeA);
    const [k2, n] = rowsAndColumns(b.shape, transposeB);
    if (k !== k2) throw shapeError('gemm', `inner sizes ${k} and ${k2} differ`, a, b);
    const fits = ({ shape }: Expr) =>
      shape.length === 1 ? shape[0] === n : shape.length === 2 && shape[0] === m && shape[1] === 1;
    if (bias && !fits(bias)) {
      throw shapeError('gemm', `the bias must be [${n}] or [${m}, 1]`, a, b, bias);
    }
    return { shape: [m, n], dtype: 'float32' };
  },
  evaluate: ([a, b, bias], { transposeA, transposeB }) => {
    const [m, k] = rowsAndColumns(a.shape, transposeA);
    const [, n] = rowsAndColumns(b.shape, transposeB);
    const [ai, ak] = transposeA ? [1, m] : [k, 1];
    const [bk, bj] = transposeB ? [1, k] : [n, 1];
    const byRow = bias?.shape.length === 2;
    const out = zeros([m, n]);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = bias ? bias.data[byRow ? i : j]! : 0;
        for (let p = 0; p < k; p++) total += a.data[i * ai + p * ak]! * b.data[p * bk + j * bj]!;
        out.data[i * n + j] = total;
      }
    }
    return out;
  },
  onnx: (operands, { transposeA, transposeB }, write) =>
    write.node('Gemm', operands, { transA: Number(transposeA), transB: Number(transposeB) }),
};

/** Options of `gemm`: which operands are transposed, and the bias. */
export interface GemmOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  bias?: Expr;
}

/** A B + bias, [m, n], for matrices; either can be transposed. The bias is [n], added to every row, or [m, 1], added to every column. */
export function gemm(
  a: Expr,
  b: Expr,
  { transposeA = false, transposeB = false, bias }: GemmOptions = {},
): Expr {
  return apply(gemmOp, bias ? [a, b, bias] : [a, b], { transposeA, transposeB });
}

/** a b^T: [m, d] x [n, d] → [m, n], the dot products of all rows of a with all rows of b. */
export function matmulT(a: Expr, b: Expr): Expr {
  return gemm(a, b, { transposeB: true });
}

/** x W^T + bias, [..., n], for x [..., d], W [n, d] and bias [n]. */
export function linear(x: Expr, weight: Expr, bias?: Expr): Expr {
  if (x.shape.length === 2) return gemm(x, weight, { transposeB: true, bias });
  const lead = x.shape.slice(0, -1);
  const known = lead.filter((dim) => typeof dim === 'number');
  const named = lead.filter((dim) => typeof dim === 'string');
  // The leading axes are merged into one, so that one large product is computed instead of many small ones.
  const rows = named.length === 0 ? sizeOf(known) : `${[...named, sizeOf(known)].join('*')}`;
  const flat = reshape(x, [rows, x.shape.at(-1)!]);
  return reshape(gemm(flat, weight, { transposeB: true, bias }), [...lead, weight.shape[0]!]);
}

/**
 * Names of the inputs that are the second matrix of a product of matrices. If they are constants, ONNX Runtime packs them for its kernel when
 * it loads a model, and does not look at the originals again.
 */
export function packedInputs(output: Expr): Set<string> {
  const factors = topological([output]).flatMap(({ op, operands }) =>
    op.name === 'gemm' ? operands[1]! : [],
  );
  return new Set(factors.filter(isInput).map(({ attributes }) => attributes.name));
}

const matmulOp: Op<object, [Expr, Expr]> = {
  name: 'matmul',
  infer: ([a, b]) => {
    if (a.shape.length < 2 || b.shape.length < 2)
      throw shapeError('matmul', 'takes matrices or stacks of them', a, b);
    if (a.shape.at(-1) !== b.shape.at(-2)) throw shapeError('matmul', 'inner sizes differ', a, b);
    const batch = broadcastShape(
      'matmul',
      { ...a, shape: a.shape.slice(0, -2) },
      { ...b, shape: b.shape.slice(0, -2) },
    );
    return { shape: [...batch, a.shape.at(-2)!, b.shape.at(-1)!], dtype: 'float32' };
  },
  evaluate: ([a, b]) => stackedProduct(a, b),
  onnx: (operands, _, write) => write.node('MatMul', operands),
};

/** Products of stacks of matrices: [..., m, k] x [..., k, n] → [..., m, n]; leading axes broadcast. */
export function matmul(a: Expr, b: Expr): Expr {
  return apply(matmulOp, [a, b], {});
}

/** The unsigned byte that stands for 0 in `integerProduct`. */
const ZERO = 128;

const integerProductOp: Op<object, [Expr, Expr]> = {
  name: 'integerProduct',
  infer: ([a, b]) => {
    if (a.dtype !== 'uint8' || b.dtype !== 'int8' || a.shape.length !== 2 || b.shape.length !== 2)
      throw shapeError('integerProduct', 'takes a matrix of unsigned and one of signed bytes', a, b);
    if (a.shape[1] !== b.shape[0]) throw shapeError('integerProduct', 'inner sizes differ', a, b);
    return { shape: [a.shape[0]!, b.shape[1]!], dtype: 'int32' };
  },
  evaluate: ([a, b]) => stackedProduct({ ...a, data: a.data.map((x) => x - ZERO) }, b),
  onnx: (operands, _, write) =>
    write.node('MatMulInteger', [
      ...operands,
      write.tensor({ dtype: 'uint8', shape: [], data: Uint8Array.of(ZERO) }),
    ]),
};

/** (A - 128) B, [m, n], in 32-bit integers for matrices of unsigned bytes [m, k] and signed bytes [k, n]. */
export function integerProduct(a: Expr, b: Expr): Expr {
  return apply(integerProductOp, [a, b], {});
}

/** x with its last two axes exchanged. */
export function swapLast(x: Expr): Expr {
  const rank = x.shape.length;
  return transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
}

/** Outside these limits, sums of squares lose digits, underflow or overflow in float32. */
const [LEAST_SQUARES, MOST_SQUARES] = [1e-24, 1e36];
/** Factor that brings a row between the limits. It is a power of two, so that no number is rounded. */
const FAR = 2 ** 100;

/**
 * Rows divided by their Euclidean length, for lengths of any size that float32 holds. A row of zeros stays zero, and its gradient
 * is passed on unchanged. A row that contains infinity becomes NaN.
 */
export function unit(x: Expr): Expr {
  const last = [x.shape.length - 1];
  const rough = sum(mul(x, x), last, true);
  const scale = where(less(rough, LEAST_SQUARES), FAR, where(less(MOST_SQUARES, rough), 1 / FAR, 1));
  const scaled = mul(x, scale);
  const squares = sum(mul(scaled, scaled), last, true);
  const isZero = equal(squares, 0);
  return div(scaled, where(isZero, scale, sqrt(where(isZero, 1, squares))));
}

function stackedProduct(a: Value, b: Value): Value {
  const [m, k] = rowsAndColumns(a.shape.slice(-2), false);
  const n = b.shape.at(-1)!;
  const batchOf = (v: Value) => v.shape.slice(0, -2);
  const rank = Math.max(batchOf(a).length, batchOf(b).length);
  const padTo = (s: readonly number[]) => [...new Array<number>(rank - s.length).fill(1), ...s];
  const [batchA, batchB] = [padTo(batchOf(a)), padTo(batchOf(b))];
  const batch = batchA.map((size, i) => (size === 1 ? batchB[i]! : size));
  const out = zeros([...batch, m, n]);
  for (let s = 0; s < sizeOf(batch); s++) {
    const atA = stackIndex(s, batch, batchA) * m * k;
    const atB = stackIndex(s, batch, batchB) * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let p = 0; p < k; p++) total += a.data[atA + i * k + p]! * b.data[atB + p * n + j]!;
        out.data[(s * m + i) * n + j] = total;
      }
    }
  }
  return out;
}

/** Index of the matrix in an operand's stack that the s-th result uses. */
function stackIndex(s: number, batch: readonly number[], own: readonly number[]): number {
  let index = 0;
  let step = 1;
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    index += own[axis] === 1 ? 0 : (s % batch[axis]!) * step;
    s = Math.floor(s / batch[axis]!);
    step *= own[axis]!;
  }
  return index;
}
