import { mul } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { reshape } from '../graph/layout.ts';
import { linear } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { matrix } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor } from '../math/tensor.ts';
import type { TextTower } from './text-tower.ts';

/** A text tower whose tokens are letters. A text's embedding is the projected sum of its tokens' embeddings. `next` draws the weights of both. */
export function letterTower(dimension: number, next = random('letters').normal): TextTower {
  const width = 6;
  const table = Float32Array.from({ length: 128 * width }, next);
  const projection = Float32Array.from({ length: dimension * width }, next);
  return {
    width,
    context: 40,
    tokenize: (text) => Int32Array.of(1, ...Array.from(text, (letter) => letter.charCodeAt(0) % 128), 2),
    embedTokens: (ids) =>
      matrix(
        ids.length,
        width,
        Float32Array.from(
          { length: ids.length * width },
          (_, at) => table[ids[Math.floor(at / width)]! * width + (at % width)]!,
        ),
      ),
    encode: (embeddings, end) => {
      const p = embeddings.shape[0]!;
      const pooled = sum(mul(embeddings, reshape(sum(end, [1]), [p, 1, 1])), [1]);
      return linear(pooled, input('tower.projection', [dimension, width]));
    },
    weights: { 'tower.projection': floatTensor([dimension, width], projection) },
  };
}
