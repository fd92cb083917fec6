import type { Expr } from '../graph/expression.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';

/** A text encoder that takes the embeddings of tokens in place of the tokens, for methods that learn prompts (CoOp). */
export interface TextTower {
  /** Width of a token's embedding. */
  readonly width: number;
  /** The largest number of tokens, with start and end. */
  readonly context: number;
  /** Token ids of a text with its start and end tokens, without padding. */
  tokenize(text: string): Int32Array;
  /** Embeddings of tokens, [t, width], as the first layer takes them, before positions are added. */
  embedTokens(ids: Int32Array): Matrix;
  /**
   * The embeddings [p, d] of texts, as the encoder gives them, from the embeddings of their tokens [p, t, width]. t is at most `context`:
   * attention is causal, so tokens after the end can be left out. `end` [p, t] is 1 at each end-of-text token, otherwise 0.
   */
  encode(embeddings: Expr, end: Expr): Expr;
  /** The tensors for the inputs that `encode` makes. */
  readonly weights: Readonly<Record<string, Tensor>>;
}
