import { add } from '../../graph/elementwise.ts';
import { type Expr, knownSize } from '../../graph/expression.ts';
import { concat, expandTo, reshape, slice, transpose } from '../../graph/layout.ts';
import { mean } from '../../graph/reduce.ts';
import { attention } from '../../graph/sequence.ts';
import { conv2d } from '../../graph/vision.ts';
import { ofRank } from '../../math/tensor.ts';
import { type BlockShape, dense, norm, perceptronBlock, residualBlock, type Weights } from './transformer.ts';

export interface VitShape extends BlockShape {
  readonly kind: 'vit';
  /** Side of a picture and of a patch, in pixels. */
  readonly size: number;
  readonly patch: number;
  readonly width: number;
  readonly blocks: number;
  /**
   * The picture's row: the normalised class token (CLIP); the mean of the patches, normalised before or after (open_clip); or attention
   * of a learnt query to the normalised patches, without a class token (SigLIP).
   */
  readonly pool: 'class' | 'norm-mean' | 'mean-norm' | 'attention';
  /** Whether tokens are normalised before the first block. */
  readonly preNorm: boolean;
}

/** CLIP's own. */
export const CLIP_VIT = { pool: 'class', preNorm: true } as const;

/**
 * The vision transformer of CLIP (Radford et al., ICML 2021, section 2.4) or SigLIP (Zhai et al., ICCV 2023) without its projection:
 * pixels [n, 3, size, size] → features [n, width].
 */
export function vitFeatures(pixels: Expr, weights: Weights, shape: VitShape): Expr {
  const { embedded, blocks } = vitLayers(pixels, weights, shape);
  return POOLS[shape.pool](blocks.at(-1) ?? embedded, weights, shape);
}

const last = (x: Expr, weights: Weights, shape: VitShape) => norm(x, weights, 'visual.ln_post', shape);
const patchesOf = (tokens: Expr) => slice(tokens, 1, 1, knownSize('patchesOf', tokens, 1));

/** Tokens [n, t, w] → rows [n, w]. */
const POOLS: Readonly<Record<VitShape['pool'], (x: Expr, weights: Weights, shape: VitShape) => Expr>> = {
  class: (x, weights, shape) => last(reshape(slice(x, 1, 0, 1), [x.shape[0]!, shape.width]), weights, shape),
  'mean-norm': (x, weights, shape) => last(mean(patchesOf(x), [1]), weights, shape),
  'norm-mean': (x, weights, shape) => mean(last(patchesOf(x), weights, shape), [1]),
  attention: (x, weights, shape) => attentionPool(last(x, weights, shape), weights, shape),
};

/** Attention of a learnt query to tokens [n, t, w], and a perceptron: [n, w]. */
export function attentionPool(tokens: Expr, weights: Weights, shape: BlockShape): Expr {
  const [n, , width] = ofRank(tokens.shape, 3);
  const query = expandTo(weights('visual.attn_pool.latent'), [n, 1, width], tokens);
  const project = (y: Expr, part: 'q' | 'k' | 'v' | 'out') =>
    dense(y, weights, `visual.attn_pool.${part}_proj`);
  const attended = attention(project(query, 'q'), project(tokens, 'k'), project(tokens, 'v'), shape.heads);
  const row = reshape(project(attended, 'out'), [n, width]);
  return perceptronBlock(row, weights, 'visual.attn_pool.ln', 'visual.attn_pool.mlp', shape);
}

/** Tokens [n, t, width], patches after a class token if there is one, before the first block, and after each block. */
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
  const whole =
    shape.pool === 'attention'
      ? add(tokens, weights('visual.conv1.bias'))
      : concat(
          [
            expandTo(reshape(weights('visual.class_embedding'), [1, 1, width]), [n, 1, width], pixels),
            tokens,
          ],
          1,
        );
  const placed = add(whole, weights('visual.positional_embedding'));
  const embedded = shape.preNorm ? norm(placed, weights, 'visual.ln_pre', shape) : placed;
  const after: Expr[] = [];
  for (let i = 0; i < blocks; i++) {
    after.push(residualBlock(after.at(-1) ?? embedded, weights, `visual.transformer.resblocks.${i}`, shape));
  }
  return { embedded, blocks: after };
}
