import { add, equal, less, mul, where } from '../../graph/elementwise.ts';
import { constant, type Expr, knownSize } from '../../graph/expression.ts';
import { expandTo, reshape, slice } from '../../graph/layout.ts';
import { matmul } from '../../graph/products.ts';
import { max, sum } from '../../graph/reduce.ts';
import { causalMask, gather } from '../../graph/sequence.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import { type BlockShape, norm, residualBlock, type Weights } from './transformer.ts';

export interface TextShape extends BlockShape {
  /** Largest number of tokens of a text. */
  readonly context: number;
  readonly width: number;
  readonly blocks: number;
  /** Size of the vocabulary. */
  readonly vocabulary: number;
  /** Whether a token attends only to earlier ones. Otherwise it attends to all, padding included. */
  readonly causal: boolean;
  /** The text's row: that of the first end token, or of the last position, padding included. */
  readonly pool: 'end' | 'last';
  /** Whether the projection has a bias. */
  readonly projectionBias: boolean;
  /** The number of the end token. If undefined, it is the largest number in the text. */
  readonly end?: number;
}

/** CLIP's own. */
export const CLIP_TEXT = { causal: true, pool: 'end', projectionBias: false } as const;

/** CLIP's text transformer: token numbers [n, t] (int64, padded) → embeddings [n, d]. */
export function textTower(ids: Expr, weights: Weights, shape: TextShape): Expr {
  const embeddings = gather(weights('token_embedding.weight'), ids);
  const end = shape.end === undefined ? max(ids, [1], true) : tokenNumber(shape.end);
  return encodeEmbeddings(embeddings, firstPlace(ids, end), weights, shape);
}

function tokenNumber(id: number): Expr {
  return constant({ dtype: 'int64', shape: [1, 1], data: BigInt64Array.of(BigInt(id)) });
}

/** 1 at the first end token of each text, 0 elsewhere, [n, t]. The first counts, because texts may be padded with their end token. */
function firstPlace(ids: Expr, wanted: Expr): Expr {
  const found = where(equal(ids, expandTo(wanted, ids.shape, ids)), 1, 0);
  const before = matmul(found, constant(strictlyUpper(knownSize('firstPlace', ids, 1))));
  return where(less(before, 0.5), found, 0);
}

/** [t, t], 1 where the column is after the row. */
function strictlyUpper(t: number): Tensor {
  const data = Float32Array.from({ length: t * t }, (_, at) => Number(at % t > Math.floor(at / t)));
  return floatTensor([t, t], data);
}

/** Embeddings [n, d] from the tokens' embeddings [n, t, w]. `end` [n, t] is 1 at the end token of each text and 0 elsewhere. */
export function encodeEmbeddings(embeddings: Expr, end: Expr, weights: Weights, shape: TextShape): Expr {
  const blocks = textLayers(embeddings, weights, shape);
  const normed = norm(blocks.at(-1)!, weights, 'ln_final', shape);
  const pooled =
    shape.pool === 'end'
      ? sum(mul(normed, reshape(end, [...end.shape, 1])), [1])
      : reshape(slice(normed, 1, shape.context - 1, shape.context), [normed.shape[0]!, shape.width]);
  const projected = matmul(pooled, weights('text_projection'));
  return shape.projectionBias ? add(projected, weights('text_projection.bias')) : projected;
}

/** Tokens [n, t, w] after each block. */
export function textLayers(embeddings: Expr, weights: Weights, shape: TextShape): Expr[] {
  const { context, blocks } = shape;
  const length = knownSize('textLayers', embeddings, 1);
  const places = weights('positional_embedding');
  const placed = add(embeddings, length < context ? slice(places, 0, 0, length) : places);
  const mask = shape.causal ? causalMask(length) : undefined;
  const after: Expr[] = [];
  for (let i = 0; i < blocks; i++) {
    after.push(residualBlock(after.at(-1) ?? placed, weights, `transformer.resblocks.${i}`, shape, { mask }));
  }
  return after;
}
