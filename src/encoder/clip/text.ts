import { add, equal, mul, where } from '../../graph/elementwise.ts';
import type { Expr } from '../../graph/expression.ts';
import { expandTo, reshape, slice } from '../../graph/layout.ts';
import { matmul } from '../../graph/products.ts';
import { max, sum } from '../../graph/reduce.ts';
import { causalMask, gather } from '../../graph/sequence.ts';
import { norm, residualBlock, type Weights } from './transformer.ts';

export interface TextShape {
  /** Tokens read at most. */
  readonly context: number;
  readonly width: number;
  readonly blocks: number;
  readonly heads: number;
}

/** CLIP's text transformer: token numbers [n, t] (int64, padded with zeros) → embeddings [n, d]. */
export function textTower(ids: Expr, weights: Weights, shape: TextShape): Expr {
  const embeddings = gather(weights('token_embedding.weight'), ids);
  // The end of a text is the largest number there is.
  const end = where(equal(ids, expandTo(max(ids, [1], true), ids.shape, ids)), 1, 0);
  return encodeEmbeddings(embeddings, end, weights, shape);
}

/** The same from the tokens' embeddings [n, t, w], with `end` [n, t] 1 at the last token of each text and 0 elsewhere. */
export function encodeEmbeddings(embeddings: Expr, end: Expr, weights: Weights, shape: TextShape): Expr {
  const blocks = textLayers(embeddings, weights, shape);
  const [n, t] = embeddings.shape;
  const normed = norm(blocks.at(-1) as Expr, weights, 'ln_final');
  const pooled = sum(mul(normed, reshape(end, [n, t, 1])), [1]);
  return matmul(pooled, weights('text_projection'));
}

/** Tokens [n, t, w] after each block. */
export function textLayers(
  embeddings: Expr,
  weights: Weights,
  { context, blocks, heads }: TextShape,
): Expr[] {
  const length = embeddings.shape[1] as number;
  const places = weights('positional_embedding');
  const placed = add(embeddings, length < context ? slice(places, 0, 0, length) : places);
  const mask = causalMask(length);
  const after: Expr[] = [];
  for (let i = 0; i < blocks; i++) {
    after.push(residualBlock(after.at(-1) ?? placed, weights, `transformer.resblocks.${i}`, heads, mask));
  }
  return after;
}
