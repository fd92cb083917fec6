import { UsageError } from '../errors.ts';
import { add, fill } from './elementwise.ts';
import { type Expr, scalar, topological } from './expression.ts';

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
    if (!expr.op.gradient) {
      throw new UsageError(`${expr.op.name} has no gradient`, {
        code: 'graph/no-gradient',
        details: { op: expr.op.name },
      });
    }
    const parts = expr.op.gradient(expr, g);
    expr.operands.forEach((operand, i) => {
      const part = parts[i];
      if (!part || !needed.has(operand)) return;
      const sofar = flowing.get(operand);
      flowing.set(operand, sofar ? add(sofar, part) : part);
    });
  }
  return parameters.map((parameter) => flowing.get(parameter) ?? fill(0, parameter.shape));
}
