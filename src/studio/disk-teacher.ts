import { Classifier } from '../classifier/classifier.ts';
import { lentSession } from '../classifier/encoder-session.ts';
import { encodeImages } from '../encoder/encode.ts';
import type { Encoder } from '../encoder/types.ts';
import type { ImageLoader } from '../image/loader.ts';
import { openFeatureCache } from '../store/feature-cache.ts';
import type { Pictures } from './pictures.ts';
import { recentFeatures } from './recent-features.ts';
import { createTeacher, type Teacher } from './teacher.ts';

/** A teacher of pictures on the disk, whose features are in the cache that all commands share. */
export function diskTeacher(
  encoder: Encoder,
  pictures: Pick<Pictures, 'read'>,
  loader: ImageLoader,
): Teacher {
  const cache = openFeatureCache();
  // Features of tried pictures are kept in memory, for a few pictures, and not on the disk.
  const session = lentSession(encoder, loader, recentFeatures());
  return createTeacher(encoder, {
    encode: (wanted, { signal, onProgress }) =>
      encodeImages(
        encoder,
        wanted.map(({ hash, id }) => ({ id, read: () => pictures.read(hash) })),
        {
          cache,
          loader,
          signal,
          onProgress: ({ done, hits }) => onProgress?.({ done, total: wanted.length, cached: hits }),
        },
      ),
    classifier: (data, cache) => new Classifier(data, { ...session, cache }),
    close: () => cache.close(),
  });
}
