import { createHash } from 'node:crypto';
import { checkedEncoder } from '../encoder/checked.ts';
import { type EncodedImages, encodeImages } from '../encoder/encode.ts';
import { loadEncoder } from '../encoder/local.ts';
import type { Encoder } from '../encoder/types.ts';
import type { KeyCache } from '../engine/keys/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { closedError, ModelError } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { type FeatureCache, openFeatureCache } from '../store/feature-cache.ts';
import { count } from '../words.ts';
import { readSource } from './source.ts';
import type { EncoderReference, ImageSource, WorkOptions } from './types.ts';

/** What a classifier needs while it works: its encoder, the feature cache, the image loader. Opened at first use. */
export interface Runtime {
  encoder(): Promise<Encoder>;
  /** Features of pictures, from the cache where they are known. */
  encode(
    images: readonly ImageSource[],
    options: WorkOptions & { views: readonly number[]; seed: number; exif: boolean },
  ): Promise<EncodedImages>;
  /** The examples' keys, where they are at hand: then none are laid out to score. */
  readonly cache?: KeyCache;
  /** A small JPEG of a picture whose longer side has `side` pixels. */
  thumbnail(image: ImageSource, side?: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Longest side of a remembered example's picture, in pixels. */
export const THUMBNAIL_SIDE = 96;

/** Opens what a classifier needs; `open` gives the encoder, which is freed with the rest unless it is `lent`. */
export function createRuntime(open: () => Promise<Encoder>, { lent = false } = {}): Runtime {
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
      return encodeImages(await encoder, sources.map(readSource), {
        views: [...views],
        seed,
        exif,
        cache,
        loader: images(),
        signal,
        onProgress: ({ done, total = sources.length, hits }) => onProgress?.({ done, total, cached: hits }),
      });
    },
    thumbnail: async (image, side = THUMBNAIL_SIDE) =>
      images().thumbnail(await readSource(image).read(), side),
    close: async () => {
      closed = true;
      const free = (opened: Encoder) => (lent ? undefined : opened.close());
      // An encoder that could not be opened was an error where it was needed; there is nothing to free.
      const freed = encoder?.catch(() => undefined).then((opened) => opened && free(opened));
      await Promise.all([freed, cache?.close(), loader?.close()]);
    },
  };
}

/** The runtime of a saved classifier. Its encoder must be the one it was fitted with: throws `ModelError` naming both. */
export function runtimeOf(reference: EncoderReference, given?: Encoder): Runtime {
  const open = async () => {
    if (!given && reference.source === FEATURES) throw noEncoder(reference);
    const encoder = given ?? (await loadEncoder(reference.id, { engine: sharedEngine() }));
    checkEncoder(reference, encoder);
    return encoder;
  };
  return createRuntime(open, { lent: given !== undefined });
}

/** Throws `ModelError`, naming both, where the encoder is not the one a classifier was fitted with. */
export function checkEncoder(
  reference: EncoderReference,
  encoder: Pick<Encoder, 'id' | 'fingerprint'>,
): void {
  if (reference.fingerprint === encoder.fingerprint) return;
  const name = (id: string, fingerprint: string) => `${id} (${fingerprint.slice(0, 12)})`;
  throw new ModelError(
    `The classifier was fitted with ${name(reference.id, reference.fingerprint)}; ` +
      `the encoder here is ${name(encoder.id, encoder.fingerprint)}`,
    {
      code: 'classifier/other-encoder',
      hint: 'Use the encoder that the classifier was fitted with, or fit it again with this one.',
      details: { expected: reference.fingerprint, actual: encoder.fingerprint },
    },
  );
}

/** What a classifier's file says of its encoder. */
export function referenceTo(encoder: Encoder): EncoderReference {
  const { id, fingerprint, source, revision, licence, dimension, logitScale, preprocessing } = encoder;
  return { id, fingerprint, source, revision, licence, dimension, logitScale, preprocessing };
}

/** The source of features that were brought along: no encoder is known to make them. */
const FEATURES = 'features';

/** What stands for the encoder of features that were brought along; of one name and width they are taken to be of one origin. */
export function featuresReference(
  { encoder, dimension }: { encoder: string; dimension: number },
  logitScale: number,
): EncoderReference {
  return {
    id: `features of ${encoder}`,
    fingerprint: createHash('sha256').update(`features\n${encoder}\n${dimension}`).digest('hex'),
    source: FEATURES,
    licence: 'unknown',
    dimension,
    logitScale,
  };
}

/** Features for a classifier. Throws `ModelError` where they are of another encoder than its own. */
export function featuresOf<T extends { encoder: string; dimension: number }>(
  own: EncoderReference,
  dump: T,
  folder: string,
): T {
  const { id } = featuresReference(dump, own.logitScale);
  if (dump.dimension === own.dimension && (own.preprocessing || id === own.id)) return dump;
  throw new ModelError(
    `${folder} has rows of ${count(dump.dimension, 'dimension')} (${id}); the classifier was fitted to rows of ${own.dimension} (${own.id})`,
    { code: 'classifier/other-encoder', hint: 'Give features of the same encoder.' },
  );
}

function noEncoder({ id }: EncoderReference): ModelError {
  return new ModelError(`The classifier was fitted to ${id}, for which no encoder is known`, {
    code: 'classifier/features',
    hint: 'Give it folders of features (add, eval, compare). For pictures, fit it again with --encoder and the encoder that made the features.',
    details: { id },
  });
}
