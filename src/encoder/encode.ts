import { DataError, TipAdapterError, throwIfAborted } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { DECODING, type Pixels, type View } from '../image/types.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';
import { sha256 } from '../store/checksum.ts';
import type { FeatureCache } from '../store/feature-cache.ts';
import { ahead } from './ahead.ts';
import { isFeature } from './checked.ts';
import type { Encoder } from './types.ts';

/** A picture to encode; `read` gives its file's bytes. */
export interface EncodableImage {
  readonly id: string;
  read(): Promise<Uint8Array>;
}

/** How pictures are encoded. */
export interface EncodeOptions {
  /** Crops of every picture (default: the plain centre crop). */
  readonly views?: readonly View[];
  /** Decides the random crops; matters only for views other than 0. */
  readonly seed?: number;
  /** Turn pictures as their EXIF orientation says (default true). */
  readonly exif?: boolean;
  /** Features known already are taken from here, new ones are put there. */
  readonly cache?: FeatureCache;
  /** Decodes the pictures; one is made, and closed again, where none is given. */
  readonly loader?: ImageLoader;
  /** Pictures that are prepared, encoded and stored together (default 8). */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  onProgress?(progress: EncodeProgress): void;
}

/** How many pictures are encoded. */
export interface EncodeProgress {
  /** Pictures finished: encoded, found in the cache or unreadable. */
  readonly done: number;
  /** Missing where the pictures come one by one. */
  readonly total?: number;
  readonly hits: number;
  readonly failures: number;
}

/** Embeddings of pictures, and the pictures that could not be read. */
export interface EncodedImages {
  /** Raw embeddings, one row for every view of every readable picture, picture by picture: [rows, d]. */
  readonly features: Matrix;
  /** Picture (position among those given) and view of each row. */
  readonly rows: readonly { readonly item: number; readonly view: View }[];
  /** Pictures that could not be read, in order. */
  readonly failures: readonly EncodeFailure[];
  /** Positions of the failures. */
  readonly failed: ReadonlySet<number>;
  /** Rows that came from the cache. */
  readonly hits: number;
  /** Sha256 (hex) of the file of each readable picture, in order. */
  readonly hashes: readonly string[];
}

/** A picture that could not be read: its position among those given, its id, and why. */
export interface EncodeFailure {
  readonly item: number;
  readonly id: string;
  readonly error: TipAdapterError;
}

/** One picture on its way through: what is known, and the pixels of what is not. */
interface Prepared {
  readonly item: number;
  readonly hash: string;
  readonly features: (Float32Array | undefined)[];
  readonly missing: readonly { at: number; key: string; pixels: Pixels }[];
  readonly failure?: EncodeFailure;
}

/** Groups that are decoded, and that are encoded, ahead of the one being finished: enough to keep the encoder busy. */
const DECODED_AHEAD = 2;
const ENCODED_AHEAD = 1;

/**
 * Embeds pictures: reads, looks up, decodes, encodes and stores group by group, decoding one group while another is
 * encoded, so that memory stays flat for any number of pictures. A picture that cannot be read is reported, not fatal.
 * Throws `InterruptedError` when the signal fires; what was finished is in the cache by then.
 */
export async function encodeImages(
  encoder: Encoder,
  items: readonly EncodableImage[] | AsyncIterable<EncodableImage>,
  options: EncodeOptions = {},
): Promise<EncodedImages> {
  const { cache, batch = 8, signal, onProgress } = options;
  const loader = options.loader ?? createImageLoader();
  const plan = planOf(encoder, options);
  const total = Array.isArray(items) ? items.length : undefined;
  const finished: Finished[] = [];
  let hits = 0;
  let failures = 0;
  const prepare = (group: readonly Numbered[]) => prepareGroup(group, plan, loader, cache, signal);
  const encode = (group: readonly Prepared[]) => encodeGroup(group, encoder, cache, signal);
  const prepared = ahead(groups(items, batch), prepare, DECODED_AHEAD);
  try {
    for await (const group of ahead(prepared, encode, ENCODED_AHEAD)) {
      for (const picture of group) {
        hits += picture.hits;
        failures += Number(picture.failure !== undefined);
        finished.push(picture);
      }
      onProgress?.({ done: finished.length, total, hits, failures });
    }
  } finally {
    if (!options.loader) await loader.close();
  }
  return collect(finished, plan.views, encoder.dimension, hits);
}

/** A picture with all its features, one a view, or with the reason why it has none. */
interface Finished {
  readonly item: number;
  readonly hash: string;
  readonly features: readonly Float32Array[];
  readonly hits: number;
  readonly failure?: EncodeFailure;
}

async function encodeGroup(
  group: readonly Prepared[],
  encoder: Encoder,
  cache?: FeatureCache,
  signal?: AbortSignal,
): Promise<Finished[]> {
  throwIfAborted(signal);
  const missing = group.flatMap((prepared) => prepared.missing.map((part) => ({ prepared, ...part })));
  if (missing.length > 0) {
    const pixels = missing.map((part) => part.pixels);
    const encoded = await encoder.embedImages(pixels, { signal });
    const entries = missing.map(({ key }, i) => ({ key, value: row(encoded, i).slice() }));
    missing.forEach(({ prepared, at }, i) => {
      prepared.features[at] = entries[i]!.value;
    });
    await cache?.putMany(entries);
  }
  return group.map(({ item, hash, features, missing: fresh, failure }) => ({
    item,
    hash,
    features: features as Float32Array[],
    hits: features.length - fresh.length,
    failure,
  }));
}

interface Plan {
  readonly encoder: Encoder;
  readonly views: readonly View[];
  readonly seed: number;
  readonly exif: boolean;
  /** Where features of a picture's views are kept: everything that changes pixels or weights is part of it. */
  keys(hash: string): string[];
}

function planOf(encoder: Encoder, { views = [0], seed = 0, exif = true }: EncodeOptions): Plan {
  const suffixes = views.map((view) => `${view}${view === 0 ? '' : `@${seed}`}${exif ? '' : ':as-stored'}`);
  return {
    encoder,
    views,
    seed,
    exif,
    keys: (hash) => suffixes.map((suffix) => `${hash}:${DECODING}:${encoder.fingerprint}:${suffix}`),
  };
}

interface Numbered {
  readonly item: number;
  readonly image: EncodableImage;
}

async function* groups(
  images: readonly EncodableImage[] | AsyncIterable<EncodableImage>,
  size: number,
): AsyncGenerator<Numbered[]> {
  let group: Numbered[] = [];
  let item = 0;
  for await (const image of images) {
    group.push({ item: item++, image });
    if (group.length === size) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

async function prepareGroup(
  group: readonly Numbered[],
  plan: Plan,
  loader: ImageLoader,
  cache?: FeatureCache,
  signal?: AbortSignal,
): Promise<Prepared[]> {
  throwIfAborted(signal);
  const read = await Promise.all(group.map(readBytes));
  const keys = read.map(({ hash }) => plan.keys(hash));
  const known = cache?.getMany(keys.flat());
  // The model loads while the first pictures are decoded.
  if (!known || known.includes(undefined)) plan.encoder.prepare?.();
  const width = plan.views.length;
  return Promise.all(
    group.map((numbered, i) => {
      const { bytes, hash, failure } = read[i]!;
      const features = plan.views.map((_, v) => {
        const kept = known?.[i * width + v];
        return isFeature(kept, plan.encoder.dimension) ? kept : undefined;
      });
      return bytes
        ? decodeMissing(numbered, bytes, hash, keys[i]!, features, plan, loader, signal)
        : { item: numbered.item, hash, features: [], missing: [], failure };
    }),
  );
}

async function readBytes(
  numbered: Numbered,
): Promise<{ bytes?: Uint8Array; hash: string; failure?: EncodeFailure }> {
  try {
    const bytes = await numbered.image.read();
    return { bytes, hash: sha256(bytes) };
  } catch (error) {
    return { hash: '', failure: failureOf(numbered, error) };
  }
}

async function decodeMissing(
  numbered: Numbered,
  bytes: Uint8Array,
  hash: string,
  keys: readonly string[],
  features: (Float32Array | undefined)[],
  { encoder, views, seed, exif }: Plan,
  loader: ImageLoader,
  signal?: AbortSignal,
): Promise<Prepared> {
  const { item } = numbered;
  const wanted = [...features.keys()].filter((at) => features[at] === undefined);
  if (wanted.length === 0) return { item, hash, features, missing: [] };
  try {
    const request = { spec: encoder.preprocessing, views: wanted.map((at) => views[at]!), seed, exif };
    const pixels = await loader.load(bytes, request, { signal });
    return {
      item,
      hash,
      features,
      missing: wanted.map((at, k) => ({ at, key: keys[at]!, pixels: pixels[k]! })),
    };
  } catch (error) {
    return { item, hash, features: [], missing: [], failure: failureOf(numbered, error) };
  }
}

/** What is wrong with a picture. Throws what is not the picture's fault: an interruption, or that nothing can be decoded here. */
function failureOf({ item, image }: Numbered, error: unknown): EncodeFailure {
  if (error instanceof TipAdapterError && !(error instanceof DataError)) throw error;
  const known =
    error instanceof DataError
      ? error
      : new DataError(`${image.id} cannot be read: ${(error as Error).message}`, {
          code: 'image/unreadable',
          details: { id: image.id },
          cause: error,
        });
  return { item, id: image.id, error: known };
}

function collect(
  finished: readonly Finished[],
  views: readonly View[],
  dimension: number,
  hits: number,
): EncodedImages {
  const readable = finished.filter(({ failure }) => failure === undefined);
  const features = matrix(readable.length * views.length, dimension);
  readable.forEach((prepared, i) => {
    prepared.features.forEach((values, v) => {
      features.data.set(values, (i * views.length + v) * dimension);
    });
  });
  const failures = finished.flatMap(({ failure }) => failure ?? []);
  return {
    features,
    rows: readable.flatMap(({ item }) => views.map((view) => ({ item, view }))),
    failures,
    failed: new Set(failures.map(({ item }) => item)),
    hits,
    hashes: readable.map(({ hash }) => hash),
  };
}
