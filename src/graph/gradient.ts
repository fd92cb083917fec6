import { UsageError } from '../errors.ts';
import { add, div, equal, exp, less, mul, neg, sqrt, sub, where } from './elementwise.ts';
import { type Expr, type Shape, scalar, shapeError, topological } from './expression.ts';
import {
  type Along,
  expandTo,
  fill,
  type Order,
  type Padding,
  pad,
  type Range,
  reshape,
  slice,
  transpose,
} from './layout.ts';
import { gemm, matmul, swapLast, type Transposed } from './products.ts';
import { mean, sum } from './reduce.ts';
import type { Epsilon } from './sequence.ts';

/** Gradients with respect to the operands, given that of the result; undefined where there is none. */
type Rule<A extends object = object> = (expr: Expr<A>, g: Expr) => readonly (Expr | undefined)[];

/** Types a rule by the attributes of its operation. */
const rule = <A extends object>(derive: Rule<A>): Rule => derive as Rule;

/** The gradient of each operation, by its name: y = op(a, b, …), g = d loss / d y. */
const RULES: Readonly<Record<string, Rule>> = {
  add: ({ operands: [a, b] }, g) => [sumTo(g, a.shape), sumTo(g, b.shape)],
  sub: ({ operands: [a, b] }, g) => [sumTo(g, a.shape), sumTo(neg(g), b.shape)],
  mul: ({ operands: [a, b] }, g) => [sumTo(mul(g, b), a.shape), sumTo(mul(g, a), b.shape)],
  div: (y, g) => {
    const [a, b] = y.operands;
    return [sumTo(div(g, b), a.shape), sumTo(neg(div(mul(g, y), b)), b.shape)];
  },
  maximum: ({ operands: [a, b] }, g) => [
    sumTo(where(less(a, b), 0, g), a.shape),
    sumTo(where(less(a, b), g, 0), b.shape),
  ],
  where: ({ operands: [condition, a, b] }, g) => [
    undefined,
    sumTo(where(condition, g, 0), a.shape),
    sumTo(where(condition, 0, g), b.shape),
  ],
  neg: (_, g) => [neg(g)],
  exp: (y, g) => [mul(g, y)],
  log: ({ operands: [x] }, g) => [div(g, x)],
  sqrt: (y, g) => [div(mul(g, 0.5), y)],
  tanh: (y, g) => [mul(g, sub(1, mul(y, y)))],
  sigmoid: (y, g) => [mul(g, mul(y, sub(1, y)))],
  erf: ({ operands: [x] }, g) => [mul(g, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))],
  relu: ({ operands: [x] }, g) => [where(less(0, x), g, 0)],

  sum: ({ operands: [x] }, g) => [expandTo(g, x.shape, x)],
  // Each of several equal maxima gets the gradient that it would get alone.
  max: (y, g) => [where(equal(y.operands[0], y), g, 0)],
  count: () => [undefined],
  stop: () => [undefined],
  softmax: (y, g) => {
    const weighted = mul(g, y);
    return [sub(weighted, mul(y, sum(weighted, [y.shape.length - 1], true)))];
  },

  reshape: ({ operands: [x] }, g) => [reshape(g, x.shape)],
  transpose: rule<Order>(({ attributes: { order } }, g) => [
    transpose(
      g,
      order.map((_, i) => order.indexOf(i)),
    ),
  ]),
  expand: ({ operands: [x] }, g) => [sumTo(g, x.shape)],
  concat: rule<Along>(({ operands, attributes: { axis } }, g) => {
    let start = 0;
    return operands.map((operand) => {
      start += knownSize(operand, axis);
      return slice(g, axis, start - knownSize(operand, axis), start);
    });
  }),
  slice: rule<Range>(({ operands: [x], attributes: { axis, start, end } }, g) => [
    pad(g, axis, start, knownSize(x, axis) - end),
  ]),
  pad: rule<Padding>(({ operands: [x], attributes: { axis, before } }, g) => [
    slice(g, axis, before, before + knownSize(x, axis)),
  ]),

  gemm: rule<Transposed>(({ operands: [a, b, bias], attributes: { transposeA: ta, transposeB: tb } }, g) => [
    ta ? gemm(b, g, { transposeA: tb, transposeB: true }) : gemm(g, b, { transposeB: !tb }),
    tb ? gemm(g, a, { transposeA: true, transposeB: ta }) : gemm(a, g, { transposeA: !ta }),
    ...(bias ? [sumTo(g, bias.shape)] : []),
  ]),
  matmul: ({ operands: [a, b] }, g) => [
    sumTo(matmul(g, swapLast(b)), a.shape),
    sumTo(matmul(swapLast(a), g), b.shape),
  ],
  layerNorm: rule<Epsilon>(({ operands: [x, gain, bias], attributes: { epsilon } }, g) => {
    const last = [x.shape.length - 1];
    const centred = sub(x, mean(x, last, true));
    const deviation = sqrt(add(mean(mul(centred, centred), last, true), epsilon));
    const normal = div(centred, deviation);
    const own = mul(g, gain);
    return [
      div(sub(sub(own, mean(own, last, true)), mul(normal, mean(mul(own, normal), last, true))), deviation),
      sumTo(mul(g, normal), gain.shape),
      sumTo(g, bias.shape),
    ];
  }),
};

/** Summed over the axes along which an operand of this shape was repeated. */
function sumTo(g: Expr, shape: Shape): Expr {
  const lead = g.shape.length - shape.length;
  const axes = g.shape.flatMap((dim, i) => (i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : []));
  return axes.length === 0 ? g : reshape(sum(g, axes), shape);
}

/** The size of an axis. Throws `UsageError` where it is known only when the graph is fed. */
function knownSize(x: Expr, axis: number): number {
  const size = x.shape[axis];
  if (typeof size === 'number') return size;
  throw shapeError('gradient', `axis ${axis} has no known size`, x);
}

/**
 * Reverse-mode gradients: d loss / d parameter for each parameter, as expressions of the same graph. The loss must be a
 * scalar. A parameter the loss does not depend on has a gradient of zeros. Throws `UsageError` where an operation on the
 * way has no gradient.
 */
export function gradients(loss: Expr, parameters: readonly Expr[]): Expr[] {
  if (loss.shape.length !== 0) {
    throw new UsageError('Only a scalar has a gradient here; sum or average it first', {
      code: 'graph/gradient-shape',
    });
  }
  const order = topological([loss]);
  const needed = new Set<Expr>(parameters);
  for (const expr of order) if (expr.operands.some((operand) => needed.has(operand))) needed.add(expr);

  const flowing = new Map<Expr, Expr>([[loss, scalar(1)]]);
  for (const expr of order.reverse()) {
    const g = flowing.get(expr);
    if (!g || !needed.has(expr) || expr.operands.length === 0) continue;
    const derive = RULES[expr.op.name];
    if (!derive) {
      throw new UsageError(`${expr.op.name} has no gradient`, {
        code: 'graph/no-gradient',
        details: { op: expr.op.name },
      });
    }
    const parts = derive(expr, g);
    expr.operands.forEach((operand, i) => {
      const part = parts[i];
      if (!part || !needed.has(operand)) return;
      const sofar = flowing.get(operand);
      flowing.set(operand, sofar ? add(sofar, part) : part);
    });
  }
  return parameters.map((parameter) => flowing.get(parameter) ?? fill(0, parameter.shape));
}
