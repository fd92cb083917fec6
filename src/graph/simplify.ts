import { sizeOf } from '../math/tensor.ts';
import { broadcastShape } from './elementwise.ts';
import { constant, type Expr, isConstant, isInput, isKnown, topological, type Value } from './expression.ts';
import { repeated } from './layout.ts';

/** Largest number of elements of a constant that is computed in advance; larger ones would make the model file too large. */
const FOLD_LIMIT = 1 << 16;

/**
 * An equivalent graph: equal sub-expressions are shared, small constant ones are computed, and needless steps are removed.
 * Gradients repeat much of the forward pass, which sharing avoids computing twice.
 */
export function simplify<Name extends string>(outputs: Readonly<Record<Name, Expr>>): Record<Name, Expr> {
  const known = new Map<string, Expr>();
  const replaced = new Map<Expr, Expr>();
  const numbers = new Map<object, number>();
  const identify = (object: object): number => {
    if (!numbers.has(object)) numbers.set(object, numbers.size);
    return numbers.get(object)!;
  };

  for (const expr of topological(Object.values(outputs))) {
    const operands = expr.operands.map((operand) => replaced.get(operand) as Expr);
    const changed = operands.some((operand, i) => operand !== expr.operands[i]);
    const next = shorten(fold(changed ? { ...expr, operands } : expr));
    const key = keyOf(next, identify);
    const same = known.get(key);
    if (!same) known.set(key, next);
    replaced.set(expr, same ?? next);
  }
  const named = Object.entries(outputs) as [Name, Expr][];
  return Object.fromEntries(named.map(([name, expr]) => [name, replaced.get(expr)])) as Record<Name, Expr>;
}

function keyOf(expr: Expr, identify: (object: object) => number): string {
  if (isConstant(expr)) {
    const { tensor } = expr.attributes;
    const content = tensor.data.length <= 64 ? Array.from(tensor.data, String).join() : identify(tensor.data);
    return `constant ${tensor.dtype} [${tensor.shape}] ${content}`;
  }
  if (isInput(expr)) return `input ${expr.attributes.name}`;
  return `${identify(expr.op)} ${JSON.stringify(expr.attributes)} ${expr.operands.map(identify)}`;
}

function fold(expr: Expr): Expr {
  const { operands, shape, dtype } = expr;
  if (operands.length === 0 || dtype !== 'float32' || !operands.every(isConstant)) return expr;
  if (!isKnown(shape) || sizeOf(shape) > FOLD_LIMIT) return expr;
  if (operands.some((operand) => operand.attributes.tensor.data.length > FOLD_LIMIT)) return expr;
  const values = operands.map((operand): Value => operand.op.evaluate([], operand.attributes, operand));
  const value = expr.op.evaluate(values, expr.attributes, expr);
  return constant({ dtype, shape: value.shape, data: Float32Array.from(value.data) });
}

/** Replaces x * 1 by x, and removes repetitions of an operand that the operation itself broadcasts. Gradients of sums contain many of both. */
function shorten(expr: Expr): Expr {
  const [a, b] = expr.operands;
  if (!expr.op.broadcasts || !a || !b) return expr;
  if (expr.op.name === 'mul') {
    if (isOne(a) && sameShape(b, expr)) return b;
    if (isOne(b) && sameShape(a, expr)) return a;
  }
  const fits = (x: Expr, y: Expr) => sameShape({ shape: broadcastShape(expr.op.name, x, y) }, expr);
  const [shortA, shortB] = [repeated(a), repeated(b)];
  if (shortA && fits(shortA, b)) return shorten({ ...expr, operands: [shortA, b] });
  if (shortB && fits(a, shortB)) return shorten({ ...expr, operands: [a, shortB] });
  return expr;
}

function isOne(expr: Expr): boolean {
  if (!isConstant(expr)) return false;
  const { data } = expr.attributes.tensor;
  return data.length <= FOLD_LIMIT && data.every((x: number | bigint) => x === 1);
}

function sameShape(a: Pick<Expr, 'shape'>, b: Pick<Expr, 'shape'>): boolean {
  return a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]);
}
