import { add, relu } from '../../graph/elementwise.ts';
import { type Expr, knownSize } from '../../graph/expression.ts';
import { concat, reshape, slice, transpose } from '../../graph/layout.ts';
import { mean } from '../../graph/reduce.ts';
import { attention } from '../../graph/sequence.ts';
import { averagePool, conv2d } from '../../graph/vision.ts';
import { ofRank } from '../../math/tensor.ts';
import { dense, type Weights } from './transformer.ts';

export interface ResNetShape {
  readonly kind: 'resnet';
  /** Pixels of a picture's side. */
  readonly size: number;
  /** Blocks of the four layers. */
  readonly layers: readonly number[];
  /** Channels of the last map, and heads of the attention over it. */
  readonly width: number;
  readonly heads: number;
}

/**
 * CLIP's ResNet without its projection, pixels [n, 3, size, size] → features [n, width]: three convolutions in the stem, average pools before convolutions with a stride, and attention in place of the
 * last pool (Radford et al., ICML 2021, section 2.4). Batch normalisations are folded into the convolutions' weights (`weights.ts`).
 */
export function resnetFeatures(pixels: Expr, weights: Weights, shape: ResNetShape): Expr {
  const maps = resnetLayers(pixels, weights, shape);
  return attentionPool(maps[maps.length - 1]!, weights, shape.heads);
}

/** Maps [n, c, h, w] after the stem and after each of the four layers. */
export function resnetLayers(pixels: Expr, weights: Weights, { layers }: ResNetShape): Expr[] {
  let x = pixels;
  for (const [i, stride] of [2, 1, 1].entries()) {
    x = relu(conv(x, weights, `visual.conv${i + 1}`, { stride, pad: 1 }));
  }
  const maps = [halved(x)];
  layers.forEach((blocks, layer) => {
    let map = maps[layer]!;
    for (let block = 0; block < blocks; block++) {
      const stride = layer > 0 && block === 0 ? 2 : 1;
      map = bottleneck(map, weights, `visual.layer${layer + 1}.${block}`, stride, block === 0);
    }
    maps.push(map);
  });
  return maps;
}

function bottleneck(x: Expr, weights: Weights, name: string, stride: number, first: boolean): Expr {
  const narrow = relu(conv(x, weights, `${name}.conv1`));
  const seen = relu(conv(narrow, weights, `${name}.conv2`, { pad: 1 }));
  const out = conv(stride > 1 ? halved(seen) : seen, weights, `${name}.conv3`);
  // The first block of every layer changes the number of channels, so its shortcut has a convolution.
  const shortcut = first ? conv(stride > 1 ? halved(x) : x, weights, `${name}.downsample.0`) : x;
  return relu(add(out, shortcut));
}

function conv(
  x: Expr,
  weights: Weights,
  name: string,
  { stride = 1, pad = 0 }: { stride?: number; pad?: number } = {},
): Expr {
  return conv2d(x, weights(`${name}.weight`), {
    bias: weights(`${name}.bias`),
    stride: [stride, stride],
    pads: [pad, pad, pad, pad],
  });
}

function halved(x: Expr): Expr {
  return averagePool(x, { kernel: [2, 2], stride: [2, 2] });
}

/** Attention pooling: multi-head attention with the mean over positions as the only query, over all positions and the mean itself. */
function attentionPool(x: Expr, weights: Weights, heads: number): Expr {
  const name = 'visual.attnpool';
  const [n, channels] = ofRank(x.shape, 4);
  const places = knownSize(name, x, 2) * knownSize(name, x, 3);
  const tokens = transpose(reshape(x, [n, channels, places]), [0, 2, 1]);
  const all = add(concat([mean(tokens, [1], true), tokens], 1), weights(`${name}.positional_embedding`));
  const query = dense(slice(all, 1, 0, 1), weights, `${name}.q_proj`);
  const keys = dense(all, weights, `${name}.k_proj`);
  const values = dense(all, weights, `${name}.v_proj`);
  return reshape(attention(query, keys, values, heads), [n, channels]);
}
