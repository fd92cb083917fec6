import { add, mul, sigmoid } from '../../graph/elementwise.ts';
import type { Expr } from '../../graph/expression.ts';
import { linear } from '../../graph/products.ts';
import { attention, layerNorm } from '../../graph/sequence.ts';

/** A weight of the model by its name in OpenAI's checkpoint, as an expression: a constant, or an input that is fed. */
export type Weights = (name: string) => Expr;

/** x sigmoid(1.702 x), the activation that OpenAI's models were trained with. */
function quickGelu(x: Expr): Expr {
  return mul(x, sigmoid(mul(x, 1.702)));
}

/** Layer normalisation by the gain and bias below a name. */
export function norm(x: Expr, weights: Weights, name: string): Expr {
  return layerNorm(x, weights(`${name}.weight`), weights(`${name}.bias`));
}

export function dense(x: Expr, weights: Weights, name: string): Expr {
  return linear(x, weights(`${name}.weight`), weights(`${name}.bias`));
}

/** A pre-norm residual block: x + attention(ln_1 x), then x + mlp(ln_2 x); x [n, t, w]. */
export function residualBlock(x: Expr, weights: Weights, name: string, heads: number, mask?: Expr): Expr {
  const normed = norm(x, weights, `${name}.ln_1`);
  const project = (part: 'q' | 'k' | 'v') => dense(normed, weights, `${name}.attn.${part}_proj`);
  const attended = attention(project('q'), project('k'), project('v'), heads, mask);
  const middle = add(x, dense(attended, weights, `${name}.attn.out_proj`));
  const hidden = quickGelu(dense(norm(middle, weights, `${name}.ln_2`), weights, `${name}.mlp.c_fc`));
  return add(middle, dense(hidden, weights, `${name}.mlp.c_proj`));
}
