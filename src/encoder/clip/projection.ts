import { add } from '../../graph/elementwise.ts';
import { type Expr, scalar } from '../../graph/expression.ts';
import { concat, expandTo } from '../../graph/layout.ts';
import { linear, matmul } from '../../graph/products.ts';
import { concatRows, matrix, matrixOf } from '../../math/matrix.ts';
import { transposed } from '../../math/tensor.ts';
import { type Projection, rowsWithFeatures } from '../../methods/projection.ts';
import { ACTIVATIONS, dense, type Weights } from './transformer.ts';
import type { Checkpoint, ClipShape } from './weights.ts';

/**
 * The number of a picture's pre-projection features, with the 1 that a bias is multiplied by. Undefined if the tower does not end with one linear map
 * of features.
 */
export function featureCount({ image }: Pick<ClipShape, 'image'>): number | undefined {
  if (hasBias(image)) return image.width + 1;
  if (image.kind === 'convnext') return image.perceptron ? undefined : image.width;
  return image.kind === 'vit' && image.pool === 'attention' ? undefined : image.width;
}

/** Whether the projection has a bias. */
function hasBias({ kind }: ClipShape['image']): boolean {
  return kind === 'resnet' || kind === 'eva' || kind === 'pe';
}

/** Embeddings [n, d] from an image tower's features [n, w]. SigLIP has no projection. */
export function projected(features: Expr, weights: Weights, image: ClipShape['image']): Expr {
  if (image.kind === 'resnet') return dense(features, weights, 'visual.attnpool.c_proj');
  if (image.kind === 'vit' && image.pool === 'attention') return features;
  if (image.kind !== 'convnext' || !image.perceptron) {
    const product = matmul(features, weights('visual.proj'));
    return hasBias(image) ? add(product, weights('visual.proj.bias')) : product;
  }
  const hidden = ACTIVATIONS[image.activation](dense(features, weights, 'visual.head.mlp.c_fc'));
  return linear(hidden, weights('visual.head.mlp.c_proj.weight'));
}

/** Rows of embeddings with the features [n, w] that they are computed from. */
export function projectedBeside(features: Expr, weights: Weights, image: ClipShape['image']): Expr {
  const embeddings = projected(features, weights, image);
  if (!hasBias(image)) return rowsWithFeatures(embeddings, features);
  const ones = expandTo(scalar(1), [features.shape[0]!, 1], features);
  return rowsWithFeatures(embeddings, concat([features, ones], 1));
}

/** The projection of an image tower that has one. */
export async function projectionOf(
  { tensor }: Pick<Checkpoint, 'tensor'>,
  { image }: Pick<ClipShape, 'image'>,
): Promise<Projection> {
  if (!hasBias(image)) return { weight: matrixOf(await tensor('visual.proj')), bias: 0 };
  const isResNet = image.kind === 'resnet';
  const weight = matrixOf(
    isResNet ? transposed(await tensor('visual.attnpool.c_proj.weight')) : await tensor('visual.proj'),
  );
  const { data } = await tensor(isResNet ? 'visual.attnpool.c_proj.bias' : 'visual.proj.bias');
  return { weight: concatRows([weight, matrix(1, weight.cols, data as Float32Array)]), bias: 1 };
}
