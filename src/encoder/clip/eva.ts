import { add, mul } from '../../graph/elementwise.ts';
import type { Expr } from '../../graph/expression.ts';
import { concat, expandTo, reshape, slice, transpose } from '../../graph/layout.ts';
import { attention } from '../../graph/sequence.ts';
import { conv2d } from '../../graph/vision.ts';
import { ofRank } from '../../math/tensor.ts';
import { rotation } from './rotary.ts';
import { ACTIVATIONS, type BlockShape, dense, norm, type Weights } from './transformer.ts';

export interface EvaShape extends BlockShape {
  readonly kind: 'eva';
  /** Side of a picture and of a patch, in pixels. */
  readonly size: number;
  readonly patch: number;
  readonly width: number;
  readonly blocks: number;
  /** The number of patches along a side in which rotary positions are counted, whatever the size of the picture. */
  readonly grid: number;
}

/**
 * The vision transformer of EVA-02-CLIP (Fang et al. 2023, arXiv 2303.11331, section 2.1; Sun et al. 2023, arXiv 2303.15389) without its
 * projection, as timm computes it: pixels [n, 3, size, size] → features [n, width], the normalised class token. Its blocks have rotary positions,
 * gated perceptrons, and normalisations of what attention and perceptron compute before their last maps; keys have no bias.
 */
export function evaFeatures(pixels: Expr, weights: Weights, shape: EvaShape): Expr {
  const { size, patch, width, blocks } = shape;
  const [n] = ofRank(pixels.shape, 4);
  const side = size / patch;
  const bias = weights('visual.conv1.bias');
  const grid = conv2d(pixels, weights('visual.conv1.weight'), { stride: [patch, patch], bias });
  const patches = transpose(reshape(grid, [n, width, side * side]), [0, 2, 1]);
  const first = reshape(weights('visual.class_embedding'), [1, 1, width]);
  let x = add(
    concat([expandTo(first, [n, 1, width], pixels), patches], 1),
    weights('visual.positional_embedding'),
  );
  const rotate = rotation(shape, { side, prefix: 1, grid: shape.grid, offset: 0, first: 'row' });
  for (let i = 0; i < blocks; i++) x = block(x, weights, `visual.transformer.resblocks.${i}`, shape, rotate);
  return norm(reshape(slice(x, 1, 0, 1), [n, width]), weights, 'visual.ln_post', shape);
}

/** x + attention(ln_1 x), then x + mlp(ln_2 x); x [n, t, w]. */
function block(x: Expr, weights: Weights, name: string, shape: EvaShape, rotate: (x: Expr) => Expr): Expr {
  const first = norm(x, weights, `${name}.ln_1`, shape);
  const query = rotate(dense(first, weights, `${name}.attn.q_proj`));
  const key = rotate(dense(first, weights, `${name}.attn.k_proj`, { biased: false }));
  const attended = attention(query, key, dense(first, weights, `${name}.attn.v_proj`), shape.heads);
  const middle = add(
    x,
    dense(norm(attended, weights, `${name}.attn.norm`, shape), weights, `${name}.attn.out_proj`),
  );
  const second = norm(middle, weights, `${name}.ln_2`, shape);
  const gate = ACTIVATIONS[shape.activation](dense(second, weights, `${name}.mlp.fc1_g`));
  const hidden = norm(
    mul(gate, dense(second, weights, `${name}.mlp.fc1_x`)),
    weights,
    `${name}.mlp.norm`,
    shape,
  );
  return add(middle, dense(hidden, weights, `${name}.mlp.c_proj`));
}
