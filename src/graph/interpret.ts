import type { Tensor } from '../math/tensor.ts';
import { type Expr, isInput, topological, toValue, type Value } from './expression.ts';

/**
 * Runs expressions in float64 with plain loops, for small problems, for checking gradients and the engine, and for callers who
 * have matrices and no runtime. Inputs are fed by name, and outputs are returned by name. Throws `UsageError` if an input is
 * missing.
 */
export function interpret<Name extends string>(
  outputs: Readonly<Record<Name, Expr>>,
  feeds: Readonly<Record<string, Tensor>> = {},
): Record<Name, Value> {
  const values = new Map<Expr, Value>();
  for (const expr of topological(Object.values(outputs))) {
    const fed = isInput(expr) ? feeds[expr.attributes.name] : undefined;
    const operands = expr.operands.map((operand) => values.get(operand)!);
    values.set(expr, fed ? toValue(fed) : expr.op.evaluate(operands, expr.attributes, expr));
  }
  const named = Object.entries(outputs) as [Name, Expr][];
  return Object.fromEntries(named.map(([name, expr]) => [name, values.get(expr)])) as Record<Name, Value>;
}
