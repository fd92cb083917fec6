import { ModelError } from '../../errors.ts';
import { constant, type Expr, input } from '../../graph/expression.ts';
import { pad } from '../../graph/layout.ts';
import { packedInputs } from '../../graph/products.ts';
import { stored } from '../../graph/stored.ts';
import type { Tensor } from '../../math/tensor.ts';
import { convNextFeatures } from './convnext.ts';
import { evaFeatures } from './eva.ts';
import { peFeatures } from './pe.ts';
import { projected, projectedBeside } from './projection.ts';
import { resnetFeatures } from './resnet.ts';
import { textTower } from './text-transformer.ts';
import type { Weights } from './transformer.ts';
import { vitFeatures } from './vit.ts';
import type { Checkpoint, CheckpointFiles, ClipShape } from './weights.ts';

/**
 * Graph of the image tower: `pixel_values` [n, 3, size, size] → `image_embeds` [n, d], weights as constants. The large ones stay in `files`
 * if these are given.
 */
export async function imageGraph(
  checkpoint: Checkpoint,
  shape: ClipShape,
  files?: CheckpointFiles,
): Promise<Record<string, Expr>> {
  return { image_embeds: await withWeights(checkpoint, imageTower(shape), files) };
}

/** The image tower as a function of its weights: `pixel_values` [n, 3, size, size] → embeddings [n, d]. */
export function imageTower({ image, features }: Omit<ClipShape, 'text'>): (weights: Weights) => Expr {
  const pixels = input('pixel_values', ['n', 3, image.size, image.size]);
  const project = features === undefined ? projected : projectedBeside;
  return (weights) => project(featuresOf(pixels, weights, image), weights, image);
}

function featuresOf(pixels: Expr, weights: Weights, image: ClipShape['image']): Expr {
  switch (image.kind) {
    case 'vit':
      return vitFeatures(pixels, weights, image);
    case 'resnet':
      return resnetFeatures(pixels, weights, image);
    case 'convnext':
      return convNextFeatures(pixels, weights, image);
    case 'eva':
      return evaFeatures(pixels, weights, image);
    case 'pe':
      return peFeatures(pixels, weights, image);
  }
}

/** Graph of the text tower: `input_ids` [n, context] → `text_embeds` [n, d], weights as those of `imageGraph`. */
export async function textGraph(
  checkpoint: Checkpoint,
  shape: ClipShape,
  files?: CheckpointFiles,
): Promise<Record<string, Expr>> {
  return { text_embeds: await withWeights(checkpoint, wordTower(shape), files) };
}

function wordTower({ text, features }: ClipShape): (weights: Weights) => Expr {
  const ids = input('input_ids', ['n', text.context], 'int64');
  return (weights) => besideNothing(textTower(ids, weights, text), features);
}

/** Rows of texts [n, d] with zeros where those of pictures have pre-projection features. */
export function besideNothing(texts: Expr, features = 0): Expr {
  return features === 0 ? texts : pad(texts, 1, 0, features);
}

/** The two towers as functions of their weights. */
export function towersOf(shape: ClipShape): ((weights: Weights) => Expr)[] {
  return [imageTower(shape), wordTower(shape)];
}

/**
 * A tower with the weights of the checkpoint as constants. Matrices that the runtime packs for itself stay in `files` if these are given; others
 * are read now, so that a file that changes later changes nothing. Throws `ModelError` if a weight is missing.
 */
export async function withWeights(
  checkpoint: Checkpoint,
  build: (weights: Weights) => Expr,
  files?: CheckpointFiles,
): Promise<Expr> {
  const constants = new Map<string, Expr>();
  const packed = files ? packedInputs(build(asInputs(checkpoint))) : new Set<string>();
  for (const name of checkpoint.shapes.keys()) {
    const place = packed.has(nameOfInput(name)) ? files?.place(name) : undefined;
    if (place) constants.set(name, stored(place));
  }
  const read = await weightsOf(checkpoint, build, (name) => !constants.has(name));
  for (const [name, tensor] of read) constants.set(name, constant(tensor));
  return build((name) => constants.get(name) as Expr);
}

/** The weights that a graph uses, read from the checkpoint, if they are `wanted`. Throws `ModelError` if one is missing. */
export async function weightsOf(
  checkpoint: Checkpoint,
  build: (weights: Weights) => Expr,
  wanted: (name: string) => boolean = () => true,
): Promise<Map<string, Tensor>> {
  const names = new Set<string>();
  build(asInputs(checkpoint, (name) => names.add(name)));
  const read = [...names]
    .filter(wanted)
    .map(async (name): Promise<[string, Tensor]> => [name, await checkpoint.tensor(name)]);
  return new Map(await Promise.all(read));
}

const nameOfInput = (weight: string) => `clip.${weight}`;

/** Weights as inputs named `clip.<name>`. A callback gets the name of each weight that is used. */
export function asInputs(
  { shapes }: Pick<Checkpoint, 'shapes'>,
  used: (name: string) => void = () => {},
): Weights {
  return (name) => {
    const shape = shapes.get(name);
    if (!shape)
      throw new ModelError(`The weights have no ${name}`, { code: 'weights/missing', details: { name } });
    used(name);
    return input(nameOfInput(name), shape);
  };
}
