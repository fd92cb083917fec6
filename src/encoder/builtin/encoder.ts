import { join } from 'node:path';
import type { Engine } from '../../engine/types.ts';
import { throwIfAborted } from '../../errors.ts';
import { normalize } from '../../image/preprocess.ts';
import type { Pixels } from '../../image/types.ts';
import type { Matrix } from '../../math/matrix.ts';
import { floatTensor } from '../../math/tensor.ts';
import { ahead } from '../ahead.ts';
import type { EncoderRecord } from '../record.ts';
import { asMatrix, batches, checkSizes, factsOf, lazySession, stack } from '../tower.ts';
import type { Encoder } from '../types.ts';
import { openSentences } from './sentences.ts';
import { TEXT_MAP_FILE } from './text-map.ts';

/** Batch size, the fastest on two cores: 46 ms for each picture, against 50 in batches of one, 53 of eight, and 117 of sixteen. */
const BATCH = 4;

/**
 * The built-in encoder `resnet50-minilm`, which needs only the npm registry. A picture's embedding is ResNet50's pooled feature, and a
 * text's embedding is MiniLM's sentence embedding mapped into that space. It is not CLIP: its text tower works best for names similar to
 * the 1,000 classes of ImageNet. Each tower loads its model at its first use.
 */
export function builtinEncoder(record: EncoderRecord, folder: string, engine: Engine): Encoder {
  const size = record.preprocessing.crop;
  const image = lazySession(engine, join(folder, record.imageModel));
  const sentences = openSentences(folder, join(folder, record.textModel), engine);
  const map = lazySession(engine, join(folder, TEXT_MAP_FILE));
  return {
    ...factsOf(record),
    prepare: () => void image.get().catch(() => {}),
    embedImages: async (pixels, { signal } = {}) => {
      checkSizes(pixels, size);
      const encode = async (batch: Pixels[]): Promise<Matrix> => {
        throwIfAborted(signal);
        const { run } = await image.get();
        const data = normalize(batch, record.preprocessing);
        const feeds = { pixel_values: floatTensor([batch.length, 3, size, size], data) };
        const { feature } = await run(feeds, {
          outputs: ['feature'],
          signal,
          transfer: [data.buffer as ArrayBuffer],
        });
        return asMatrix(feature);
      };
      const parts: Matrix[] = [];
      for await (const part of ahead(batches(pixels, BATCH), encode, 1)) parts.push(part);
      return stack(parts, record.dimension);
    },
    embedTexts: async (texts, { signal } = {}) => {
      if (texts.length === 0) return stack([], record.dimension);
      const embedded = await sentences.embed(texts, signal);
      const { run } = await map.get();
      const feeds = { sentences: floatTensor([embedded.rows, embedded.cols], embedded.data) };
      return asMatrix((await run(feeds, { outputs: ['rows'], signal })).rows);
    },
    textLength: sentences.textLength,
    close: async () => {
      await Promise.all([image.close(), sentences.close(), map.close()]);
    },
  };
}
