import type { Engine } from '../../engine/types.ts';
import { matrix } from '../../math/matrix.ts';
import { floatTensor } from '../../math/tensor.ts';
import { factsOf } from '../encoder-facts.ts';
import type { PairRecord } from '../record.ts';
import { asMatrix, type EncoderFiles, imageSide, lazySession } from '../tower.ts';
import type { Encoder } from '../types.ts';
import { openSentences } from './sentences.ts';
import { TEXT_MAP_FILE } from './text-map.ts';

/**
 * The built-in encoder `resnet50-minilm`, which needs only the npm registry. A picture's embedding is ResNet50's pooled feature, and a
 * text's embedding is MiniLM's sentence embedding mapped into that space. It is not CLIP: its text tower works best for names similar to
 * the 1,000 classes of ImageNet. Each tower loads its model at its first use.
 */
export function builtinEncoder(record: PairRecord, files: EncoderFiles, engine: Engine): Encoder {
  const image = lazySession(engine, files, record.imageModel);
  const sentences = openSentences(files, record.textModel, engine);
  const map = lazySession(engine, files, TEXT_MAP_FILE);
  return {
    ...factsOf(record),
    ...imageSide(record, image, { outputs: ['feature'] }),
    embedTexts: async (texts, { signal } = {}) => {
      if (texts.length === 0) return matrix(0, record.dimension);
      const embedded = await sentences.embed(texts, signal);
      const { run } = await map.get();
      const feeds = { sentences: floatTensor([embedded.rows, embedded.cols], embedded.data) };
      return asMatrix((await run(feeds, { outputs: ['rows'], signal })).rows);
    },
    embedsTextsAlone: true,
    textLength: sentences.textLength,
    close: async () => {
      await Promise.all([image.close(), sentences.close(), map.close()]);
    },
  };
}
