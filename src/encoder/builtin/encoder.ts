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

/** Pictures that run together: measured fastest on two cores (46 ms a picture; 50 alone, 53 by eight, 117 by sixteen). */
const BATCH = 4;

/**
 * The encoder that works wherever npm works, `resnet50-minilm`: ResNet50's pooled feature for pictures, MiniLM's sentence
 * embedding mapped into that space for texts. It is not CLIP: its text side knows best what resembles the 1,000 classes of
 * ImageNet. Pictures and texts load their models separately, at the first use.
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
