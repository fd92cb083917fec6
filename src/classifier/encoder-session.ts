import { type Abortable, waitFor } from '../abort.ts';
import { checkedEncoder } from '../encoder/checked.ts';
import { type EncodedImages, encodeImages } from '../encoder/encode.ts';
import { type LoadOptions, loadEncoder } from '../encoder/load.ts';
import type { Encoder } from '../encoder/types.ts';
import type { KeyCache } from '../engine/keys/types.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { closedError } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { type FeatureCache, openFeatureCache } from '../store/feature-cache.ts';
import { checkEncoder, FEATURES, noEncoder } from './encoder-reference.ts';
import { readSource } from './image-source.ts';
import type { EncoderReference, ImageSource, WorkOptions } from './types.ts';

/** A classifier's open resources: its encoder, the feature cache, the image loader. Each is opened at its first use. */
export interface EncoderSession {
  encoder(): Promise<Encoder>;
  /** Encodes pictures, or takes their features from the cache. */
  encode(
    images: readonly ImageSource[],
    options: WorkOptions & { views: readonly number[]; seed: number; exif: boolean },
  ): Promise<EncodedImages>;
  /** The cache of features, if one is used. */
  features(): FeatureCache | undefined;
  /** The examples' keys in the kernels' layout, if they exist. Otherwise scoring makes them. */
  readonly cache?: KeyCache;
  /** A JPEG of a picture whose longer side has `side` pixels. */
  thumbnail(image: ImageSource, options?: ThumbnailOptions): Promise<Uint8Array>;
  /** Replaces the open encoder by one of the same parts with other weights. */
  replace(encoder: Encoder): void;
  close(): Promise<void>;
}

/** The part of a session that examples are embedded with. A page has it too. */
export type EmbeddingSession = Pick<EncoderSession, 'encoder' | 'encode' | 'thumbnail'>;

/** Options of `thumbnail`. */
export interface ThumbnailOptions extends Abortable {
  /** Pixels of the longer side (default 96). */
  side?: number;
}

/** Longer side of an example's stored thumbnail, in pixels. */
const THUMBNAIL_SIDE = 96;

/** Opens a session. `open` returns the encoder, which the session closes unless it is `lent`. */
export function openSession(open: () => Promise<Encoder>, { lent = false } = {}): EncoderSession {
  const opened = async () => (lent ? checkedEncoder(await open()) : open());
  let encoder: Promise<Encoder> | undefined;
  let cache: FeatureCache | undefined;
  let loader: ImageLoader | undefined;
  let closed = false;
  const needed = (): Promise<Encoder> => {
    if (closed) throw closedError('classifier');
    encoder ??= opened();
    return encoder;
  };
  const images = (): ImageLoader => {
    if (closed) throw closedError('classifier');
    loader ??= createImageLoader();
    return loader;
  };
  const features = (): FeatureCache => {
    if (closed) throw closedError('classifier');
    cache ??= openFeatureCache();
    return cache;
  };
  return {
    encoder: async () => needed(),
    features,
    async encode(sources, { views, seed, exif, signal, onProgress }) {
      const encoder = needed();
      return encodeImages(await waitFor(encoder, signal), sources.map(readSource), {
        views: [...views],
        seed,
        exif,
        cache: features(),
        loader: images(),
        signal,
        onProgress: ({ done, total = sources.length, hits }) => onProgress?.({ done, total, cached: hits }),
      });
    },
    thumbnail: async (image, { side = THUMBNAIL_SIDE, signal } = {}) =>
      images().thumbnail(await readSource(image).read(), side, { signal }),
    replace: (other) => {
      encoder = Promise.resolve(checkedEncoder(other));
    },
    close: async () => {
      closed = true;
      const free = (opened: Encoder) => (lent ? undefined : opened.close());
      // A failure to open the encoder has already been thrown where it was needed. There is nothing to free.
      const freed = encoder?.catch(() => undefined).then((opened) => opened && free(opened));
      await Promise.all([freed, cache?.close(), loader?.close()]);
    },
  };
}

/** A session of an encoder and a loader that others own and close. `features` is the cache of features, if one is wanted. */
export function lentSession(encoder: Encoder, loader: ImageLoader, features?: FeatureCache): EncoderSession {
  return {
    encoder: async () => encoder,
    features: () => features,
    encode: (images, { views, seed, exif, signal }) =>
      encodeImages(encoder, images.map(readSource), { views, seed, exif, signal, loader, cache: features }),
    thumbnail: async (image, { side = THUMBNAIL_SIDE, signal } = {}) =>
      loader.thumbnail(await readSource(image).read(), side, { signal }),
    replace: () => {},
    close: async () => {},
  };
}

/**
 * The session of a saved classifier. Throws `ModelError` that names both encoders if `given` is not the one of the fit. An encoder that is
 * not on this machine is downloaded, or refused if `pull` is false.
 */
export function sessionFor(
  reference: EncoderReference,
  given?: Encoder,
  { pull }: Pick<LoadOptions, 'pull'> = {},
): EncoderSession {
  const open = async () => {
    if (!given && reference.source === FEATURES) throw noEncoder(reference);
    const encoder = given ?? (await loadEncoder(reference.id, { engine: sharedEngine(), pull }));
    checkEncoder(reference, encoder);
    return encoder;
  };
  return openSession(open, { lent: given !== undefined });
}
