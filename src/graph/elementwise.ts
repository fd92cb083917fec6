import { erf as erfOf } from '../math/erf.ts';
import {
  apply,
  type Dim,
  type Expr,
  type ExprType,
  type Op,
  type Operand,
  type Shape,
  shapeError,
  stridesOf,
  type Value,
  zeros,
} from './expression.ts';

/** Element-wise operations, with NumPy's broadcasting. */

/** The shape that two operands broadcast to. Throws `UsageError` if they do not fit. */
export function broadcastShape(op: string, a: Expr, b: Expr): Shape {
  const rank = Math.max(a.shape.length, b.shape.length);
  return Array.from({ length: rank }, (_, i): Dim => {
    const x = a.shape[i - rank + a.shape.length] ?? 1;
    const y = b.shape[i - rank + b.shape.length] ?? 1;
    if (x === 1) return y;
    if (y === 1 || x === y) return x;
    throw shapeError(op, `cannot broadcast ${x} against ${y}`, a, b);
  });
}

function binary(name: string, onnxType: string, f: (x: number, y: number) => number, dtype?: ExprType) {
  const op: Op<object, [Expr, Expr]> = {
    name,
    broadcasts: true,
    infer: ([a, b]) => {
      if (a.dtype !== b.dtype) throw shapeError(name, `number types differ: ${a.dtype} and ${b.dtype}`, a, b);
      return { shape: broadcastShape(name, a, b), dtype: dtype ?? a.dtype };
    },
    evaluate: ([a, b]) => broadcastMap([a, b], (x, y) => f(x, y)),
    onnx: (operands, _, write) => write.node(onnxType, operands),
  };
  return (a: Operand, b: Operand): Expr => apply(op, [a, b], {});
}

function unary(name: string, onnxType: string, f: (x: number) => number) {
  const op: Op<object, [Expr]> = {
    name,
    infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
    evaluate: ([x]) => ({ shape: x.shape, data: x.data.map(f) }),
    onnx: (operands, _, write) => write.node(onnxType, operands),
  };
  return (x: Operand): Expr => apply(op, [x], {});
}

/** x + y, element-wise; axes of size 1 are repeated. Like all operations here, it throws `UsageError` if the shapes do not fit. */
export const add = binary('add', 'Add', (x, y) => x + y);
/** x - y, element-wise. */
export const sub = binary('sub', 'Sub', (x, y) => x - y);
/** x y, element-wise. */
export const mul = binary('mul', 'Mul', (x, y) => x * y);
/** x / y, element-wise. */
export const div = binary('div', 'Div', (x, y) => x / y);
/** The larger of x and y, element-wise. */
export const maximum = binary('maximum', 'Max', Math.max);
/** Whether x < y, element-wise: a bool expression. */
export const less = binary('less', 'Less', (x, y) => Number(x < y), 'bool');
/** Whether x = y, element-wise: a bool expression. */
export const equal = binary('equal', 'Equal', (x, y) => Number(x === y), 'bool');

/** -x. */
export const neg = unary('neg', 'Neg', (x) => -x);
/** e to the x. */
export const exp = unary('exp', 'Exp', Math.exp);
/** Natural logarithm of x. */
export const log = unary('log', 'Log', Math.log);
/** Square root of x. */
export const sqrt = unary('sqrt', 'Sqrt', Math.sqrt);
/** Hyperbolic tangent of x. */
export const tanh = unary('tanh', 'Tanh', Math.tanh);
/** Cosine of x, in radians. */
export const cos = unary('cos', 'Cos', Math.cos);
/** 1 / (1 + exp(-x)). */
export const sigmoid = unary('sigmoid', 'Sigmoid', (x) => 1 / (1 + Math.exp(-x)));
/** Error function of x. */
export const erf = unary('erf', 'Erf', erfOf);
/** The larger of x and 0. */
export const relu = unary('relu', 'Relu', (x) => Math.max(x, 0));

/** x squared. */
export function square(x: Expr): Expr {
  return mul(x, x);
}

const whereOp: Op<object, [Expr, Expr, Expr]> = {
  name: 'where',
  infer: ([condition, a, b]) => {
    if (condition.dtype !== 'bool')
      throw shapeError('where', `the condition is ${condition.dtype}, not bool`, condition);
    const values = { ...a, shape: broadcastShape('where', a, b) };
    return { shape: broadcastShape('where', condition, values), dtype: a.dtype };
  },
  evaluate: (operands) => broadcastMap(operands, (c, x, y) => (c ? x : y)),
  onnx: (operands, _, write) => write.node('Where', operands),
};

/** Element-wise choice: `a` where the condition is true, `b` elsewhere. Throws `UsageError` if the condition is not bool. */
export function where(condition: Expr, a: Operand, b: Operand): Expr {
  return apply(whereOp, [condition, a, b], {});
}

/** Calls f for each element of the broadcast shape, with the operands' numbers at that place. */
function broadcastMap(operands: readonly Value[], f: (...xs: number[]) => number): Value {
  const rank = Math.max(...operands.map((o) => o.shape.length));
  const padded = operands.map((o) => [...new Array<number>(rank - o.shape.length).fill(1), ...o.shape]);
  const shape = Array.from({ length: rank }, (_, axis) =>
    padded.reduce((size, s) => (s[axis] === 1 ? size : s[axis]!), 1),
  );
  const strides = padded.map((s) => stridesOf(s).map((stride, axis) => (s[axis] === 1 ? 0 : stride)));
  const out = zeros(shape);
  const index = new Array<number>(rank).fill(0);
  const at = operands.map(() => 0);
  const xs = operands.map(() => 0);
  for (let i = 0; i < out.data.length; i++) {
    for (let k = 0; k < operands.length; k++) xs[k] = operands[k]!.data[at[k]!]!;
    out.data[i] = f(...xs);
    for (let axis = rank - 1; axis >= 0; axis--) {
      index[axis]!++;
      for (let k = 0; k < operands.length; k++) at[k]! += strides[k]![axis]!;
      if (index[axis]! < shape[axis]!) break;
      for (let k = 0; k < operands.length; k++) at[k]! -= strides[k]![axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
