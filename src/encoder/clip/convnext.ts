import { add, mul } from '../../graph/elementwise.ts';
import { type Expr, knownSize } from '../../graph/expression.ts';
import { transpose } from '../../graph/layout.ts';
import { mean } from '../../graph/reduce.ts';
import { conv2d } from '../../graph/vision.ts';
import { ACTIVATIONS, type BlockShape, dense, norm, type Weights } from './transformer.ts';

export interface ConvNextShape extends Pick<BlockShape, 'activation' | 'epsilon'> {
  readonly kind: 'convnext';
  /** Pixels of a picture's side. The weights fit pictures of any size, so the configuration states it. */
  readonly size: number;
  /** Blocks of the four stages. */
  readonly layers: readonly number[];
  /** Channels of the last map. */
  readonly width: number;
  /** Whether a perceptron projects the features, in place of one matrix. */
  readonly perceptron: boolean;
}

/**
 * ConvNeXt (Liu et al., CVPR 2022, section 2) without its projection, as timm computes it: pixels [n, 3, size, size] → features [n, width],
 * the normalised means of the last map.
 */
export function convNextFeatures(pixels: Expr, weights: Weights, shape: ConvNextShape): Expr {
  const { layers, epsilon } = shape;
  let x = norm(
    channelsLast(conv(pixels, weights, 'visual.stem.conv', 4)),
    weights,
    'visual.stem.norm',
    shape,
  );
  layers.forEach((blocks, stage) => {
    const name = `visual.stages.${stage}`;
    if (stage > 0) {
      const normed = norm(x, weights, `${name}.reduce.norm`, shape);
      x = channelsLast(conv(channelsFirst(normed), weights, `${name}.reduce.conv`, 2));
    }
    for (let i = 0; i < blocks; i++) x = block(x, weights, `${name}.blocks.${i}`, shape);
  });
  return norm(mean(x, [1, 2]), weights, 'visual.ln_post', { epsilon });
}

/** x + gamma mlp(norm(depthwise x)); maps have their channels last, [n, h, w, c]. */
function block(x: Expr, weights: Weights, name: string, shape: ConvNextShape): Expr {
  const channels = knownSize(name, x, 3);
  const mixed = conv2d(channelsFirst(x), weights(`${name}.conv_dw.weight`), {
    bias: weights(`${name}.conv_dw.bias`),
    pads: [3, 3, 3, 3],
    groups: channels,
  });
  const normed = norm(channelsLast(mixed), weights, `${name}.norm`, shape);
  const hidden = ACTIVATIONS[shape.activation](dense(normed, weights, `${name}.mlp.c_fc`));
  return add(x, mul(dense(hidden, weights, `${name}.mlp.c_proj`), weights(`${name}.gamma`)));
}

/** A convolution whose windows do not overlap. */
function conv(x: Expr, weights: Weights, name: string, side: number): Expr {
  return conv2d(x, weights(`${name}.weight`), { bias: weights(`${name}.bias`), stride: [side, side] });
}

const channelsLast = (maps: Expr) => transpose(maps, [0, 2, 3, 1]);
const channelsFirst = (maps: Expr) => transpose(maps, [0, 3, 1, 2]);
