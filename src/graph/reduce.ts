import { add, div, exp, log, sub } from './elementwise.ts';
import {
  apply,
  type Expr,
  type Op,
  type Shape,
  shapeError,
  stridesOf,
  type Value,
  zeros,
} from './expression.ts';
import { reshape } from './layout.ts';

/** Reductions over axes: sums, means, maxima, and softmax. */

export type Axes = { readonly axes: readonly number[] };

function reduction(
  name: string,
  onnx: Op<Axes, [Expr]>['onnx'],
  start: number,
  fold: (total: number, x: number) => number,
) {
  const op: Op<Axes, [Expr]> = {
    name,
    infer: ([x], { axes }) => {
      if (axes.some((axis) => axis < 0 || axis >= x.shape.length)) {
        throw shapeError(name, `axes [${axes}] are outside`, x);
      }
      return { shape: x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)), dtype: x.dtype };
    },
    evaluate: ([x], { axes }) => reduceValue(x, axes, start, fold),
    onnx,
  };
  return (x: Expr, axes: readonly number[], keep = false): Expr => {
    const kept = apply(op, [x], { axes });
    return keep ? kept : reshape(kept, dropAxes(x.shape, axes));
  };
}

function dropAxes(shape: Shape, axes: readonly number[]): Shape {
  return shape.filter((_, i) => !axes.includes(i));
}

function reduceValue(
  x: Value,
  axes: readonly number[],
  start: number,
  fold: (total: number, x: number) => number,
): Value {
  const out = zeros(x.shape.map((size, i) => (axes.includes(i) ? 1 : size)));
  out.data.fill(start);
  const strides = stridesOf(out.shape).map((stride, i) => (axes.includes(i) ? 0 : stride));
  const index = new Array<number>(x.shape.length).fill(0);
  let at = 0;
  for (let i = 0; i < x.data.length; i++) {
    out.data[at] = fold(out.data[at]!, x.data[i]!);
    for (let axis = x.shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < x.shape[axis]!) break;
      at -= strides[axis]! * x.shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** Sum over axes. The axes are removed from the shape or, with `keep`, have size 1. */
export const sum = reduction(
  'sum',
  ([x], { axes }, write) => write.node('ReduceSum', [x, write.integers(axes)], { keepdims: 1 }),
  0,
  (total, value) => total + value,
);

/** Largest value over axes; `keep` as for `sum`. Each of several equal maxima gets the whole gradient. */
export const max = reduction(
  'max',
  ([x], { axes }, write) => write.node('ReduceMax', [x], { axes, keepdims: 1 }),
  Number.NEGATIVE_INFINITY,
  Math.max,
);

const countOp: Op<Axes, [Expr]> = {
  name: 'count',
  infer: () => ({ shape: [], dtype: 'float32' }),
  evaluate: ([x], { axes }) => ({
    shape: [],
    data: Float64Array.of(axes.reduce((n, axis) => n * x.shape[axis]!, 1)),
  }),
  onnx: ([x], { axes }, write) => {
    const sizes = write.node('Gather', [write.node('Shape', [x]), write.integers(axes)], { axis: 0 });
    const product = write.node('ReduceProd', [sizes], { axes: [0], keepdims: 0 });
    return write.node('Cast', [product], { to: 1 });
  },
};

/** Product of the sizes of axes, as a float32 scalar expression, because sizes may be known only when the graph is fed. */
function count(x: Expr, axes: readonly number[]): Expr {
  return apply(countOp, [x], { axes });
}

/** Mean over axes; `keep` as for `sum`. */
export function mean(x: Expr, axes: readonly number[], keep = false): Expr {
  return div(sum(x, axes, keep), count(x, axes));
}

/** log(sum(exp(x))) over one axis, computed without overflow. The axis is kept with size 1. */
export function logSumExp(x: Expr, axis = x.shape.length - 1): Expr {
  const top = stop(max(x, [axis], true));
  return add(log(sum(exp(sub(x, top)), [axis], true)), top);
}

const stopOp: Op<object, [Expr]> = {
  name: 'stop',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  evaluate: ([x]) => x,
  onnx: ([x]) => x,
};

/** x, which gradients treat as a constant. */
export function stop(x: Expr): Expr {
  return apply(stopOp, [x], {});
}

/** Logarithm of the softmax over the last axis. */
export function logSoftmax(x: Expr): Expr {
  return sub(x, logSumExp(x));
}

const softmaxOp: Op<object, [Expr]> = {
  name: 'softmax',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  evaluate: ([x]) => {
    const width = x.shape[x.shape.length - 1]!;
    const out = zeros(x.shape);
    for (let at = 0; at < x.data.length; at += width) {
      const values = x.data.subarray(at, at + width);
      const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const total = values.reduce((n, v) => n + Math.exp(v - top), 0);
      for (let j = 0; j < width; j++) out.data[at + j] = Math.exp(values[j]! - top) / total;
    }
    return out;
  },
  onnx: ([x], _, write) => write.node('Softmax', [x], { axis: -1 }),
};

/** Softmax over the last axis. */
export function softmax(x: Expr): Expr {
  return apply(softmaxOp, [x], {});
}
