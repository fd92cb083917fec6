import { add } from '../../graph/elementwise.ts';
import type { Expr } from '../../graph/expression.ts';
import { concat, expandTo, reshape, slice, transpose } from '../../graph/layout.ts';
import { matmul } from '../../graph/products.ts';
import { conv2d } from '../../graph/vision.ts';
import { ofRank } from '../../math/tensor.ts';
import { type BlockShape, norm, residualBlock, type Weights } from './transformer.ts';

export interface VitShape extends BlockShape {
  readonly kind: 'vit';
  /** Side of a picture and of a patch, in pixels. */
  readonly size: number;
  readonly patch: number;
  readonly width: number;
  readonly blocks: number;
}

/** The vision transformer of CLIP (Radford et al., ICML 2021, section 2.4): pixels [n, 3, size, size] → embeddings [n, d]. */
export function vitTower(pixels: Expr, weights: Weights, shape: VitShape): Expr {
  const { embedded, blocks } = vitLayers(pixels, weights, shape);
  const tokens = blocks.at(-1) ?? embedded;
  const first = reshape(slice(tokens, 1, 0, 1), [pixels.shape[0]!, shape.width]);
  return matmul(norm(first, weights, 'visual.ln_post', shape), weights('visual.proj'));
}

/** Tokens [n, 1 + patches, width] after the first normalisation, and after each block. */
export function vitLayers(
  pixels: Expr,
  weights: Weights,
  shape: VitShape,
): { embedded: Expr; blocks: Expr[] } {
  const { size, patch, width, blocks } = shape;
  const [n] = ofRank(pixels.shape, 4);
  const patches = (size / patch) ** 2;
  const grid = conv2d(pixels, weights('visual.conv1.weight'), { stride: [patch, patch] });
  const tokens = transpose(reshape(grid, [n, width, patches]), [0, 2, 1]);
  const first = expandTo(reshape(weights('visual.class_embedding'), [1, 1, width]), [n, 1, width], pixels);
  const placed = add(concat([first, tokens], 1), weights('visual.positional_embedding'));
  const embedded = norm(placed, weights, 'visual.ln_pre', shape);
  const after: Expr[] = [];
  for (let i = 0; i < blocks; i++) {
    after.push(residualBlock(after.at(-1) ?? embedded, weights, `visual.transformer.resblocks.${i}`, shape));
  }
  return { embedded, blocks: after };
}
