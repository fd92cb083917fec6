import { ModelError } from '../../errors.ts';
import { constant, type Expr, input } from '../../graph/expression.ts';
import { pad } from '../../graph/layout.ts';
import type { Tensor } from '../../math/tensor.ts';
import { projected, projectedBeside } from './projection.ts';
import { resnetFeatures } from './resnet.ts';
import { textTower } from './text-transformer.ts';
import type { Weights } from './transformer.ts';
import { vitFeatures } from './vit.ts';
import type { Checkpoint, ClipShape } from './weights.ts';

/** Graph of the image tower: `pixel_values` [n, 3, size, size] → `image_embeds` [n, d], weights as constants. */
export async function imageGraph(checkpoint: Checkpoint, shape: ClipShape): Promise<Record<string, Expr>> {
  return { image_embeds: await withWeights(checkpoint, imageTower(shape)) };
}

function imageTower({ image, features }: ClipShape): (weights: Weights) => Expr {
  const pixels = input('pixel_values', ['n', 3, image.size, image.size]);
  const project = features === undefined ? projected : projectedBeside;
  return (weights) => {
    const seen =
      image.kind === 'vit' ? vitFeatures(pixels, weights, image) : resnetFeatures(pixels, weights, image);
    return project(seen, weights, image);
  };
}

/** Graph of the text tower: `input_ids` [n, context] → `text_embeds` [n, d], weights as constants. */
export async function textGraph(checkpoint: Checkpoint, shape: ClipShape): Promise<Record<string, Expr>> {
  return { text_embeds: await withWeights(checkpoint, wordTower(shape)) };
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

/** A tower with the weights of the checkpoint as constants. Throws `ModelError` if one is missing. */
export async function withWeights(checkpoint: Checkpoint, build: (weights: Weights) => Expr): Promise<Expr> {
  return build(asConstants(await weightsOf(checkpoint, build)));
}

/** The weights that a graph uses, read from the checkpoint. Throws `ModelError` if one is missing. */
export async function weightsOf(
  checkpoint: Checkpoint,
  build: (weights: Weights) => Expr,
): Promise<Map<string, Tensor>> {
  const names = new Set<string>();
  build(asInputs(checkpoint, (name) => names.add(name)));
  const read = [...names].map(
    async (name): Promise<[string, Tensor]> => [name, await checkpoint.tensor(name)],
  );
  return new Map(await Promise.all(read));
}

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
    return input(`clip.${name}`, shape);
  };
}

function asConstants(tensors: ReadonlyMap<string, Tensor>): Weights {
  const made = new Map([...tensors].map(([name, tensor]) => [name, constant(tensor)]));
  return (name) => made.get(name) as Expr;
}
