import { sizeOf } from '../math/tensor.ts';
import {
  apply,
  type Dim,
  type Expr,
  isKnown,
  type Op,
  type Shape,
  scalar,
  shapeError,
  showShape,
  stridesOf,
  type Value,
  zeros,
} from './expression.ts';

/** Operations that rearrange numbers without changing them. */

type To = { readonly shape: Shape };

const reshapeOp: Op<To, [Expr]> = {
  name: 'reshape',
  infer: ([x], { shape }) => {
    if (isKnown(x.shape) && isKnown(shape) && sizeOf(x.shape) !== sizeOf(shape)) {
      throw shapeError('reshape', `cannot become ${showShape(shape)}`, x);
    }
    return { shape, dtype: x.dtype };
  },
  evaluate: ([x], { shape }, { operands }) => {
    const target = shape.map((dim, i) => resolve(dim, i, operands[0].shape, x.shape));
    const open = target.indexOf(-1);
    if (open >= 0) target[open] = x.data.length / target.reduce((n, dim) => (dim === -1 ? n : n * dim), 1);
    return { shape: target, data: x.data };
  },
  onnx: ([x], { shape }, write, { operands: [source] }) => {
    // In ONNX, 0 copies the operand's size at the same place, and -1 stands for the remaining size. Only one size may be -1.
    const target = shape.map((dim, i) => (typeof dim === 'number' ? dim : dim === source.shape[i] ? 0 : -1));
    if (target.filter((dim) => dim === -1).length > 1) {
      throw shapeError('reshape', `more than one open size in ${showShape(shape)}`, source);
    }
    return write.node('Reshape', [x, write.integers(target)]);
  },
};

function resolve(dim: Dim, i: number, names: Shape, sizes: readonly number[]): number {
  if (typeof dim === 'number') return dim;
  if (names[i] === dim) return sizes[i]!;
  const named = names.indexOf(dim);
  return named >= 0 ? sizes[named]! : -1;
}

/** The same numbers in another shape. At most one size may be a name that x does not have at the same place. */
export function reshape(x: Expr, shape: Shape): Expr {
  return apply(reshapeOp, [x], { shape });
}

export type Order = { readonly order: readonly number[] };

const transposeOp: Op<Order, [Expr]> = {
  name: 'transpose',
  infer: ([x], { order }) => {
    if (order.length !== x.shape.length)
      throw shapeError('transpose', `order [${order}] has another rank`, x);
    return { shape: order.map((axis) => x.shape[axis]!), dtype: x.dtype };
  },
  evaluate: ([x], { order }) => {
    const strides = stridesOf(x.shape);
    return gatherStrided(
      x,
      order.map((axis) => x.shape[axis]!),
      order.map((axis) => strides[axis]!),
    );
  },
  onnx: ([x], { order }, write) => write.node('Transpose', [x], { perm: order }),
};

/** x with its axes in another order; the default reverses them. */
export function transpose(
  x: Expr,
  order: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i),
): Expr {
  return apply(transposeOp, [x], { order });
}

const expandOp: Op<To, [Expr, ...Expr[]]> = {
  name: 'expand',
  infer: ([x], { shape }) => {
    const lead = shape.length - x.shape.length;
    if (lead < 0 || x.shape.some((dim, i) => dim !== 1 && dim !== shape[i + lead])) {
      throw shapeError('expand', `cannot become ${showShape(shape)}`, x);
    }
    return { shape, dtype: x.dtype };
  },
  evaluate: ([x, ...like], { shape }, { operands }) => {
    const sizes = shape.map((dim) => {
      if (typeof dim === 'number') return dim;
      for (const [k, other] of like.entries()) {
        const axis = operands[k + 1]!.shape.indexOf(dim);
        if (axis >= 0) return other.shape[axis]!;
      }
      return x.shape[operands[0].shape.indexOf(dim)]!;
    });
    const lead = sizes.length - x.shape.length;
    const strides = stridesOf(x.shape);
    return gatherStrided(
      x,
      sizes,
      sizes.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : strides[i - lead]!)),
    );
  },
  onnx: ([x, ...like], { shape }, write, { operands }) => {
    if (isKnown(shape)) return write.node('Expand', [x, write.integers(shape)]);
    const parts = shape.map((dim) => {
      if (typeof dim === 'number') return write.integers([dim]);
      const k = operands.findIndex((operand) => operand.shape.includes(dim));
      const source = k === 0 ? x : like[k - 1]!;
      const sizes = write.node('Shape', [source]);
      return write.node('Gather', [sizes, write.integers([operands[k]!.shape.indexOf(dim)])], { axis: 0 });
    });
    return write.node('Expand', [x, write.node('Concat', parts, { axis: 0 })]);
  },
};

/** x repeated along axes of size 1 to the given shape. Sizes that are names are read from x or from `like`. */
export function expandTo(x: Expr, shape: Shape, ...like: readonly Expr[]): Expr {
  return apply(expandOp, [x, ...like], { shape });
}

/** A tensor of the given shape whose numbers all are `value`. */
export function fill(value: number, shape: Shape): Expr {
  return expandTo(scalar(value), shape);
}

/** The operand of an expression that only repeats it; undefined for other expressions. */
export function repeated(expr: Expr): Expr | undefined {
  return (expr.op as unknown) === expandOp ? expr.operands[0] : undefined;
}

export type Along = { readonly axis: number };

const concatOp: Op<Along, [Expr, ...Expr[]]> = {
  name: 'concat',
  infer: (operands, { axis }) => {
    const [first] = operands;
    for (const other of operands) {
      if (
        other.shape.length !== first.shape.length ||
        other.shape.some((d, i) => i !== axis && d !== first.shape[i])
      ) {
        throw shapeError('concat', `cannot join along axis ${axis}`, first, other);
      }
    }
    const sizes: Shape = operands.map((operand) => operand.shape[axis]!);
    const total = isKnown(sizes) ? sizes.reduce((n, size) => n + size, 0) : sizes.join('+');
    return { shape: first.shape.map((dim, i) => (i === axis ? total : dim)), dtype: first.dtype };
  },
  evaluate: (operands, { axis }) => {
    const [first] = operands;
    const shape = first.shape.map((dim, i) =>
      i === axis ? operands.reduce((n, o) => n + o.shape[axis]!, 0) : dim,
    );
    const out = zeros(shape);
    const inner = sizeOf(shape.slice(axis + 1));
    const outer = sizeOf(shape.slice(0, axis));
    let offset = 0;
    for (const operand of operands) {
      const length = operand.shape[axis]! * inner;
      for (let i = 0; i < outer; i++) {
        out.data.set(operand.data.subarray(i * length, (i + 1) * length), i * shape[axis]! * inner + offset);
      }
      offset += length;
    }
    return out;
  },
  onnx: (operands, { axis }, write) => write.node('Concat', operands, { axis }),
};

/** Concatenates tensors along an axis. */
export function concat(operands: readonly [Expr, ...Expr[]], axis: number): Expr {
  return apply(concatOp, operands, { axis });
}

export type Range = Along & { readonly start: number; readonly end: number };

const sliceOp: Op<Range, [Expr]> = {
  name: 'slice',
  infer: ([x], { axis, start, end }) => {
    const size = x.shape[axis];
    if (start < 0 || end < start || (typeof size === 'number' && end > size)) {
      throw shapeError('slice', `[${start}, ${end}) is outside axis ${axis}`, x);
    }
    return { shape: x.shape.map((dim, i) => (i === axis ? end - start : dim)), dtype: x.dtype };
  },
  evaluate: ([x], { axis, start, end }) => {
    const shape = x.shape.map((dim, i) => (i === axis ? end - start : dim));
    return gatherStrided(x, shape, stridesOf(x.shape), start * stridesOf(x.shape)[axis]!);
  },
  onnx: ([x], { axis, start, end }, write) =>
    write.node('Slice', [x, write.integers([start]), write.integers([end]), write.integers([axis])]),
};

/** The part of x with indices start ≤ i < end along an axis. */
export function slice(x: Expr, axis: number, start: number, end: number): Expr {
  return apply(sliceOp, [x], { axis, start, end });
}

export type Padding = Along & { readonly before: number; readonly after: number };

const padOp: Op<Padding, [Expr]> = {
  name: 'pad',
  infer: ([x], { axis, before, after }) => {
    const size = x.shape[axis];
    if (typeof size !== 'number') throw shapeError('pad', 'needs a known size', x);
    return { shape: x.shape.map((dim, i) => (i === axis ? size + before + after : dim)), dtype: x.dtype };
  },
  evaluate: ([x], { axis, before, after }) => {
    const shape = x.shape.map((dim, i) => (i === axis ? dim + before + after : dim));
    const out = zeros(shape);
    const inner = sizeOf(shape.slice(axis + 1));
    const length = x.shape[axis]! * inner;
    for (let i = 0; i < sizeOf(shape.slice(0, axis)); i++) {
      out.data.set(x.data.subarray(i * length, (i + 1) * length), i * shape[axis]! * inner + before * inner);
    }
    return out;
  },
  onnx: ([x], { axis, before, after }, write, { shape }) => {
    const pads = [
      ...shape.map((_, i) => (i === axis ? before : 0)),
      ...shape.map((_, i) => (i === axis ? after : 0)),
    ];
    return write.node('Pad', [x, write.integers(pads)], { mode: 'constant' });
  },
};

/** x with zeros added before and after it along an axis. */
export function pad(x: Expr, axis: number, before: number, after: number): Expr {
  return apply(padOp, [x], { axis, before, after });
}

/** A copy of x, read with the given shape and strides. */
function gatherStrided(x: Value, shape: readonly number[], strides: readonly number[], offset = 0): Value {
  const out = zeros(shape);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = x.data[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
