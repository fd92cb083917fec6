import { UsageError } from '../errors.ts';
import { add, cos, div, equal, exp, less, mul, neg, sqrt, sub, where } from './elementwise.ts';
import { type Expr, knownSize, type Shape, scalar, topological } from './expression.ts';
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

/**
 * Returns the gradients with respect to the operands, given the result y, its gradient g and the operands; undefined for an
 * operand without a gradient.
 */
type Rule<A extends object = object> = (
  y: Expr<A>,
  g: Expr,
  ...operands: readonly Expr[]
) => readonly (Expr | undefined)[];

/** Gives a rule the type of its operation's attributes. */
const rule = <A extends object>(derive: Rule<A>): Rule => derive as Rule;

/** The gradient of each operation, by its name: y = op(a, b, …), g = d loss / d y. */
const RULES: Readonly<Record<string, Rule>> = {
  add: (_, g, a, b) => [sumTo(g, a.shape), sumTo(g, b.shape)],
  sub: (_, g, a, b) => [sumTo(g, a.shape), sumTo(neg(g), b.shape)],
  mul: (_, g, a, b) => [sumTo(mul(g, b), a.shape), sumTo(mul(g, a), b.shape)],
  div: (y, g, a, b) => [sumTo(div(g, b), a.shape), sumTo(neg(div(mul(g, y), b)), b.shape)],
  maximum: (_, g, a, b) => [sumTo(where(less(a, b), 0, g), a.shape), sumTo(where(less(a, b), g, 0), b.shape)],
  where: (_, g, condition, a, b) => [
    undefined,
    sumTo(where(condition, g, 0), a.shape),
    sumTo(where(condition, 0, g), b.shape),
  ],
  neg: (_, g) => [neg(g)],
  exp: (y, g) => [mul(g, y)],
  log: (_, g, x) => [div(g, x)],
  sqrt: (y, g) => [div(mul(g, 0.5), y)],
  tanh: (y, g) => [mul(g, sub(1, mul(y, y)))],
  cos: (_, g, x) => [mul(g, cos(add(x, Math.PI / 2)))],
  sigmoid: (y, g) => [mul(g, mul(y, sub(1, y)))],
  erf: (_, g, x) => [mul(g, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))],
  relu: (_, g, x) => [where(less(0, x), g, 0)],

  sum: (_, g, x) => [expandTo(g, x.shape, x)],
  // Each of several equal maxima gets the whole gradient.
  max: (y, g, x) => [where(equal(x, y), g, 0)],
  count: () => [undefined],
  stop: () => [undefined],
  softmax: (y, g) => {
    const weighted = mul(g, y);
    return [sub(weighted, mul(y, sum(weighted, [y.shape.length - 1], true)))];
  },

  reshape: (_, g, x) => [reshape(g, x.shape)],
  transpose: rule<Order>(({ attributes: { order } }, g) => [
    transpose(
      g,
      order.map((_, i) => order.indexOf(i)),
    ),
  ]),
  expand: (_, g, x) => [sumTo(g, x.shape)],
  concat: rule<Along>(({ attributes: { axis } }, g, ...operands) => {
    let start = 0;
    return operands.map((operand) => {
      start += knownSize('gradient', operand, axis);
      return slice(g, axis, start - knownSize('gradient', operand, axis), start);
    });
  }),
  slice: rule<Range>(({ attributes: { axis, start, end } }, g, x) => [
    pad(g, axis, start, knownSize('gradient', x, axis) - end),
  ]),
  pad: rule<Padding>(({ attributes: { axis, before } }, g, x) => [
    slice(g, axis, before, before + knownSize('gradient', x, axis)),
  ]),

  gemm: rule<Transposed>(({ attributes: { transposeA: ta, transposeB: tb } }, g, a, b, bias?: Expr) => [
    ta ? gemm(b, g, { transposeA: tb, transposeB: true }) : gemm(g, b, { transposeB: !tb }),
    tb ? gemm(g, a, { transposeA: true, transposeB: ta }) : gemm(a, g, { transposeA: !ta }),
    ...(bias ? [sumTo(g, bias.shape)] : []),
  ]),
  matmul: (_, g, a, b) => [sumTo(matmul(g, swapLast(b)), a.shape), sumTo(matmul(swapLast(a), g), b.shape)],
  layerNorm: rule<Epsilon>(({ attributes: { epsilon } }, g, x, gain, bias) => {
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

/** Sums a gradient over the axes along which an operand of this shape was repeated. */
function sumTo(g: Expr, shape: Shape): Expr {
  const lead = g.shape.length - shape.length;
  const axes = g.shape.flatMap((dim, i) => (i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : []));
  return axes.length === 0 ? g : reshape(sum(g, axes), shape);
}

/**
 * Reverse-mode gradients: for each parameter, d loss / d parameter as an expression of the parameter's shape. If the loss does not
 * depend on a parameter, its gradient is zeros. Throws `UsageError` if the loss is not a scalar, or if an operation between parameter
 * and loss has no gradient.
 */
export function gradients<const P extends readonly Expr[]>(
  loss: Expr,
  parameters: P,
): { -readonly [I in keyof P]: Expr } {
  if (loss.shape.length !== 0) {
    throw new UsageError('The loss must be a scalar; sum or average it first', {
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
    const parts = derive(expr, g, ...expr.operands);
    expr.operands.forEach((operand, i) => {
      const part = parts[i];
      if (!part || !needed.has(operand)) return;
      const sofar = flowing.get(operand);
      flowing.set(operand, sofar ? add(sofar, part) : part);
    });
  }
  return parameters.map((parameter) => flowing.get(parameter) ?? fill(0, parameter.shape)) as {
    -readonly [I in keyof P]: Expr;
  };
}
