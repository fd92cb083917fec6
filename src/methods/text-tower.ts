import type { Expr } from '../graph/expression.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';

/** A text encoder that is open between its tokens' embeddings and the text's: what a method needs that learns prompts (CoOp). */
export interface TextTower {
  /** Numbers in a token's embedding. */
  readonly width: number;
  /** Tokens the tower reads at most, start and end included. */
  readonly context: number;
  /** Token ids of a text between its start and end tokens, both included, not padded. */
  tokenize(text: string): Int32Array;
  /** Embeddings of tokens, [t, width], as the first layer takes them (positions are not added yet). */
  embedTokens(ids: Int32Array): Matrix;
  /**
   * The texts' embeddings [p, d], as the encoder gives them, of their tokens' embeddings [p, t, width] (t at most `context`:
   * attention is causal, so what would follow the end need not be there). `end` [p, t] is 1 at each end-of-text token, else 0.
   */
  encode(embeddings: Expr, end: Expr): Expr;
  /** What the inputs that `encode` makes are fed with. */
  readonly weights: Readonly<Record<string, Tensor>>;
}
