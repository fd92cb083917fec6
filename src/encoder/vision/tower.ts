import { add, mul, neg } from '../../graph/elementwise.ts';
import { constant, type Expr, input } from '../../graph/expression.ts';
import { concat, expandTo, reshape, slice, transpose } from '../../graph/layout.ts';
import { linear } from '../../graph/products.ts';
import { attention } from '../../graph/sequence.ts';
import { conv2d } from '../../graph/vision.ts';
import { ofRank } from '../../math/tensor.ts';
import { withWeights } from '../clip/towers.ts';
import { ACTIVATIONS, type BlockShape, dense, norm, type Weights } from '../clip/transformer.ts';
import type { Checkpoint, CheckpointFiles } from '../clip/weights.ts';
import { rotary } from './positions.ts';

/** A vision transformer without a text tower. */
export interface VisionShape extends BlockShape {
  /** Side of a picture and of a patch, in pixels. */
  readonly size: number;
  readonly patch: number;
  readonly width: number;
  readonly blocks: number;
  /** Number of register tokens (Darcet et al., ICLR 2024). */
  readonly registers: number;
  /** Base of the rotary positions (DINOv3). If undefined, positions are learnt. */
  readonly theta?: number;
  /** Whether a block scales what attention and perceptron add (LayerScale, Touvron et al., ICCV 2021). */
  readonly scales: boolean;
  /** Whether the perceptron is gated: down(activation(gate x) * up x) (SwiGLU, Shazeer 2020). */
  readonly gated: boolean;
  /** Names of the linear maps of a block without a bias, such as `attn.k`. */
  readonly unbiased: readonly string[];
}

/** Graph of the tower: `pixel_values` [n, 3, size, size] → `image_embeds` [n, w], weights as those of CLIP's `imageGraph`. */
export async function visionGraph(
  checkpoint: Checkpoint,
  shape: VisionShape,
  files?: CheckpointFiles,
): Promise<Record<string, Expr>> {
  return { image_embeds: await withWeights(checkpoint, visionTower(shape), files) };
}

/**
 * The normalised class token of DINOv2 (Oquab et al. 2023, arXiv 2304.07193), DINOv3 (Siméoni et al. 2025, arXiv 2508.10104) or ViT
 * (Dosovitskiy et al., ICLR 2021), as a function of the weights.
 */
export function visionTower(shape: VisionShape): (weights: Weights) => Expr {
  const { size, patch, width, blocks, registers, theta } = shape;
  const pixels = input('pixel_values', ['n', 3, size, size]);
  const [n] = ofRank(pixels.shape, 4);
  const side = Math.floor(size / patch);
  const patches = side * side;
  const rotate = theta === undefined ? undefined : rotation(shape, side, theta);
  return (weights) => {
    const repeated = (rows: Expr, count: number) =>
      expandTo(reshape(rows, [1, count, width]), [n, count, width], pixels);
    const grid = conv2d(pixels, weights('patch.weight'), {
      stride: [patch, patch],
      bias: weights('patch.bias'),
    });
    const seen = transpose(reshape(grid, [n, width, patches]), [0, 2, 1]);
    const learnt = theta === undefined ? weights('positions') : undefined;
    const placed = (tokens: Expr, start: number, end: number) =>
      learnt ? add(tokens, slice(learnt, 0, start, end)) : tokens;
    // Registers have no position.
    let x = concat(
      [
        placed(repeated(weights('class_token'), 1), 0, 1),
        ...(registers > 0 ? [repeated(weights('registers'), registers)] : []),
        placed(seen, 1, 1 + patches),
      ],
      1,
    );
    for (let i = 0; i < blocks; i++) x = block(x, weights, `blocks.${i}`, shape, rotate);
    return norm(reshape(slice(x, 1, 0, 1), [n, width]), weights, 'norm', shape);
  };
}

/** x + scale1 attention(norm1 x), then x + scale2 mlp(norm2 x); x [n, t, w]. */
function block(
  x: Expr,
  weights: Weights,
  name: string,
  shape: VisionShape,
  rotate: (x: Expr) => Expr = (x) => x,
): Expr {
  const map = (y: Expr, part: string) =>
    shape.unbiased.includes(part)
      ? linear(y, weights(`${name}.${part}.weight`))
      : dense(y, weights, `${name}.${part}`);
  const plus = (y: Expr, more: Expr, scale: string) =>
    add(y, shape.scales ? mul(more, weights(`${name}.${scale}`)) : more);
  const first = norm(x, weights, `${name}.norm1`, shape);
  const [q, k] = [rotate(map(first, 'attn.q')), rotate(map(first, 'attn.k'))];
  const attended = attention(q, k, map(first, 'attn.v'), shape.heads);
  const middle = plus(x, map(attended, 'attn.out'), 'scale1');
  const second = norm(middle, weights, `${name}.norm2`, shape);
  const activate = ACTIVATIONS[shape.activation];
  const hidden = shape.gated
    ? mul(activate(map(second, 'mlp.gate')), map(second, 'mlp.up'))
    : activate(map(second, 'mlp.up'));
  return plus(middle, map(hidden, 'mlp.down'), 'scale2');
}

/** Rotates the patches' queries or keys [n, t, w] by their places: x cos + (-second half, first half) sin, in each head. */
function rotation({ width, heads, registers }: VisionShape, side: number, theta: number): (x: Expr) => Expr {
  const d = width / heads;
  const { cos, sin } = rotary(side, d, theta, 1 + registers);
  return (x) => {
    const [n, t] = ofRank(x.shape, 3);
    const parts = reshape(x, [n, t, heads, d]);
    const turned = concat([neg(slice(parts, 3, d / 2, d)), slice(parts, 3, 0, d / 2)], 3);
    return reshape(add(mul(parts, constant(cos)), mul(turned, constant(sin))), [n, t, width]);
  };
}
