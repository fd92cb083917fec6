import { add } from '../../graph/elementwise.ts';
import type { Expr } from '../../graph/expression.ts';
import { concat, expandTo, reshape, transpose } from '../../graph/layout.ts';
import { conv2d } from '../../graph/vision.ts';
import { ofRank } from '../../math/tensor.ts';
import { type RotaryPlaces, rotation } from './rotary.ts';
import { type BlockShape, norm, residualBlock, type Weights } from './transformer.ts';
import { attentionPool } from './vit.ts';

/** Facts about a Perception Encoder that timm derives from its name. */
export interface PeRules extends Pick<RotaryPlaces, 'grid' | 'offset'> {
  /** Whether a class token is in front of the patches. */
  readonly classToken: boolean;
}

export interface PeShape extends BlockShape, PeRules {
  readonly kind: 'pe';
  /** Side of a picture and of a patch, in pixels. */
  readonly size: number;
  readonly patch: number;
  readonly width: number;
  readonly blocks: number;
}

/** The number of heads of the pool. */
export const POOL_HEADS = 8;

/**
 * The vision transformer of Perception Encoder (Bolya et al. 2025, arXiv 2504.13181, appendix B.1) without its projection, as timm computes it:
 * pixels [n, 3, size, size] → features [n, width]. Its blocks are those of CLIP with rotary positions, and its pool is an attention of a learnt
 * query to all tokens.
 */
export function peFeatures(pixels: Expr, weights: Weights, shape: PeShape): Expr {
  const { size, patch, width, blocks, grid, offset, classToken } = shape;
  const [n] = ofRank(pixels.shape, 4);
  const side = size / patch;
  const image = conv2d(pixels, weights('visual.conv1.weight'), { stride: [patch, patch] });
  const patches = transpose(reshape(image, [n, width, side * side]), [0, 2, 1]);
  const first = () => reshape(weights('visual.class_embedding'), [1, 1, width]);
  const tokens = classToken ? concat([expandTo(first(), [n, 1, width], pixels), patches], 1) : patches;
  const rotate = rotation(shape, { side, prefix: Number(classToken), grid, offset, first: 'column' });
  let x = norm(add(tokens, weights('visual.positional_embedding')), weights, 'visual.ln_pre', shape);
  for (let i = 0; i < blocks; i++)
    x = residualBlock(x, weights, `visual.transformer.resblocks.${i}`, shape, { rotate });
  return attentionPool(norm(x, weights, 'visual.ln_post', shape), weights, { ...shape, heads: POOL_HEADS });
}
