import { type Abortable, waitFor } from '../abort.ts';
import { checkedEncoder } from '../encoder/checked.ts';
import { type EncodedImages, encodeImages } from '../encoder/encode.ts';
import { loadEncoder } from '../encoder/load.ts';
import type { Encoder } from '../encoder/types.ts';
import type { KeyCache } from '../engine/keys/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { closedError } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { type FeatureCache, openFeatureCache } from '../store/feature-cache.ts';
import { checkEncoder, FEATURES, noEncoder } from './encoder-reference.ts';
import { readSource } from './image-source.ts';
import type { EncoderReference, ImageSource, WorkOptions } from './types.ts';

/** What a classifier needs while it works: its encoder, the feature cache, the image loader. Opened at first use. */
export interface EncoderSession {
  encoder(): Promise<Encoder>;
  /** Features of pictures, from the cache where they are known. */
  encode(
    images: readonly ImageSource[],
    options: WorkOptions & { views: readonly number[]; seed: number; exif: boolean },
  ): Promise<EncodedImages>;
  /** The examples' keys, where they are at hand: then none are laid out to score. */
  readonly cache?: KeyCache;
  /** A small JPEG of a picture whose longer side has `side` pixels. */
  thumbnail(image: ImageSource, options?: ThumbnailOptions): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** How large a thumbnail is. */
export interface ThumbnailOptions extends Abortable {
  /** Pixels of the longer side (default 96). */
  side?: number;
}

/** Longest side of a remembered example's picture, in pixels. */
const THUMBNAIL_SIDE = 96;

/** Opens what a classifier needs; `open` gives the encoder, which is freed with the rest unless it is `lent`. */
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
  return {
    encoder: async () => needed(),
    async encode(sources, { views, seed, exif, signal, onProgress }) {
      const encoder = needed();
      cache ??= openFeatureCache();
      return encodeImages(await waitFor(encoder, signal), sources.map(readSource), {
        views: [...views],
        seed,
        exif,
        cache,
        loader: images(),
        signal,
        onProgress: ({ done, total = sources.length, hits }) => onProgress?.({ done, total, cached: hits }),
      });
    },
    thumbnail: async (image, { side = THUMBNAIL_SIDE, signal } = {}) =>
      images().thumbnail(await readSource(image).read(), side, { signal }),
    close: async () => {
      closed = true;
      const free = (opened: Encoder) => (lent ? undefined : opened.close());
      // An encoder that could not be opened was an error where it was needed; there is nothing to free.
      const freed = encoder?.catch(() => undefined).then((opened) => opened && free(opened));
      await Promise.all([freed, cache?.close(), loader?.close()]);
    },
  };
}

/** A session of an encoder and a loader that others own and close; `features` remembers what was embedded, if anything is to. */
export function lentSession(encoder: Encoder, loader: ImageLoader, features?: FeatureCache): EncoderSession {
  return {
    encoder: async () => encoder,
    encode: (images, { views, seed, exif, signal }) =>
      encodeImages(encoder, images.map(readSource), { views, seed, exif, signal, loader, cache: features }),
    thumbnail: async (image, { side = THUMBNAIL_SIDE, signal } = {}) =>
      loader.thumbnail(await readSource(image).read(), side, { signal }),
    close: async () => {},
  };
}

/** The session of a saved classifier. Its encoder must be the one it was fitted with: throws `ModelError` naming both. */
export function sessionFor(reference: EncoderReference, given?: Encoder): EncoderSession {
  const open = async () => {
    if (!given && reference.source === FEATURES) throw noEncoder(reference);
    const encoder = given ?? (await loadEncoder(reference.id, { engine: sharedEngine() }));
    checkEncoder(reference, encoder);
    return encoder;
  };
  return openSession(open, { lent: given !== undefined });
}
