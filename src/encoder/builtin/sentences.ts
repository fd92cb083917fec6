import type { Engine } from '../../engine/types.ts';
import { throwIfAborted } from '../../errors.ts';
import { type Matrix, matrix, norm, row } from '../../math/matrix.ts';
import type { TextRule } from '../record.ts';
import {
  asMatrix,
  type EncoderFiles,
  lazySession,
  lazyTokenizer,
  lengthOfTexts,
  textFeeds,
} from '../tower.ts';
import type { TextLength } from '../types.ts';

/** MiniLM's sentence embeddings: the mean over a text's tokens, as unit rows. */
export interface Sentences {
  embed(texts: readonly string[], signal?: AbortSignal): Promise<Matrix>;
  textLength(texts: readonly string[]): Promise<TextLength>;
  close(): Promise<void>;
}

/** The rule that MiniLM was trained with: 128 tokens at most, and padding hidden by the mask. */
export const SENTENCE_RULE: TextRule = { cleaning: 'none', length: 128, padding: 'longest', pad: 0 };
const DIMENSION = 384;

/** @param model path of the ONNX file */
export function openSentences(files: EncoderFiles, model: string, engine: Engine): Sentences {
  const session = lazySession(engine, files, model);
  const tokenizer = lazyTokenizer(files, SENTENCE_RULE);
  return {
    embed: async (texts, signal) => {
      const out = matrix(texts.length, DIMENSION);
      const { encode } = await tokenizer.get();
      const { inputs, run } = await session.get();
      // One text at a time: dynamic quantisation takes its range from the whole batch, and a text's embedding must not depend
      // on other texts.
      for (let i = 0; i < texts.length; i++) {
        throwIfAborted(signal);
        const { last_hidden_state: hidden } = await run(
          textFeeds(inputs, [encode(texts[i]!)], SENTENCE_RULE),
          {
            outputs: ['last_hidden_state'],
            signal,
          },
        );
        meanOfTokens(asMatrix({ ...hidden, shape: hidden.shape.slice(1) }), row(out, i));
      }
      return out;
    },
    textLength: (texts) => lengthOfTexts(tokenizer, SENTENCE_RULE, texts),
    close: session.close,
  };
}

/** The unit mean of the rows [t, e], written into `target` [e]. */
function meanOfTokens(tokens: Matrix, target: Float32Array): void {
  const sum = new Float64Array(tokens.cols);
  tokens.data.forEach((value, at) => {
    sum[at % tokens.cols]! += value;
  });
  const length = norm(sum);
  sum.forEach((value, j) => {
    target[j] = value / length;
  });
}
