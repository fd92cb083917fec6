import { add, div, erf, mul, sigmoid, square } from '../../graph/elementwise.ts';
import type { Expr } from '../../graph/expression.ts';
import { linear } from '../../graph/products.ts';
import { attention, layerNorm } from '../../graph/sequence.ts';

/** A weight of the model by its name in OpenAI's checkpoint, as an expression: a constant or an input. */
export interface Weights {
  (name: string): Expr;
  /** The term that is added to the linear map of this name at x, if a training changes the map. */
  change?(x: Expr, name: string): Expr | undefined;
}

/**
 * `gelu` is x/2 (1 + erf(x / sqrt 2)); `gelu_tanh` is its approximation x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks and
 * Gimpel 2016); `quick_gelu` is x sigmoid(1.702 x), with which OpenAI's models were trained; `silu` is x sigmoid(x).
 */
export type Activation = 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'silu';

/** Constants that the blocks of a transformer share. */
export interface BlockShape {
  readonly heads: number;
  readonly activation: Activation;
  /** Added to the variance in layer normalisations. */
  readonly epsilon: number;
}

export const ACTIVATIONS: Readonly<Record<Activation, (x: Expr) => Expr>> = {
  gelu: (x) => mul(mul(x, add(erf(div(x, Math.SQRT2)), 1)), 0.5),
  // (1 + tanh z) / 2 is sigmoid(2 z).
  gelu_tanh: (x) =>
    mul(x, sigmoid(mul(add(x, mul(mul(square(x), x), 0.044715)), 2 * Math.sqrt(2 / Math.PI)))),
  quick_gelu: (x) => mul(x, sigmoid(mul(x, 1.702))),
  silu: (x) => mul(x, sigmoid(x)),
};

/** Layer normalisation with the weights `<name>.weight` and `<name>.bias`. */
export function norm(
  x: Expr,
  weights: Weights,
  name: string,
  { epsilon }: Pick<BlockShape, 'epsilon'>,
): Expr {
  return layerNorm(x, weights(`${name}.weight`), weights(`${name}.bias`), epsilon);
}

export function dense(x: Expr, weights: Weights, name: string, { biased = true } = {}): Expr {
  const y = linear(x, weights(`${name}.weight`), biased ? weights(`${name}.bias`) : undefined);
  const change = weights.change?.(x, name);
  return change ? add(y, change) : y;
}

/** A pre-norm residual block: x + attention(ln_1 x), then x + mlp(ln_2 x); x [n, t, w]. `rotate` turns queries and keys by their positions. */
export function residualBlock(
  x: Expr,
  weights: Weights,
  name: string,
  shape: BlockShape,
  { mask, rotate = (y) => y }: { mask?: Expr; rotate?: (y: Expr) => Expr } = {},
): Expr {
  const normed = norm(x, weights, `${name}.ln_1`, shape);
  const project = (part: 'q' | 'k' | 'v') => dense(normed, weights, `${name}.attn.${part}_proj`);
  const attended = attention(rotate(project('q')), rotate(project('k')), project('v'), shape.heads, mask);
  const middle = add(x, dense(attended, weights, `${name}.attn.out_proj`));
  return perceptronBlock(middle, weights, `${name}.ln_2`, `${name}.mlp`, shape);
}

/** x + mlp(norm x), where the layer normalisation and the perceptron have the names `normal` and `mlp`. */
export function perceptronBlock(
  x: Expr,
  weights: Weights,
  normal: string,
  mlp: string,
  shape: BlockShape,
): Expr {
  const activate = ACTIVATIONS[shape.activation];
  const hidden = activate(dense(norm(x, weights, normal, shape), weights, `${mlp}.c_fc`));
  return add(x, dense(hidden, weights, `${mlp}.c_proj`));
}
