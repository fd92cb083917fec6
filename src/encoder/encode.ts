import { DataError, ModelError, TipAdapterError, throwIfAborted, UsageError } from '../errors.ts';
import { createImageLoader, type ImageLoader } from '../image/loader.ts';
import { DECODING, type Pixels, type View } from '../image/types.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';
import { sha256 } from '../sha256.ts';
import type { FeatureCache } from '../store/feature-cache.ts';
import { ahead } from './ahead.ts';
import { isFeature } from './checked.ts';
import { hasFingerprint } from './fingerprints.ts';
import { cacheOf } from './joined-cache.ts';
import type { Encoder, StoredFeature } from './types.ts';

/** A picture to encode. `read` returns its file's bytes. */
export interface EncodableImage {
  readonly id: string;
  /** Its features, if they are known. The picture is then not read. */
  readonly stored?: StoredFeature;
  read(): Promise<Uint8Array>;
}

/** Options of `encodeImages`. */
export interface EncodeOptions {
  /** Views of every picture (default: only view 0, the centre crop). */
  readonly views?: readonly View[];
  /** Seed of the random crops. View 0 does not depend on it. */
  readonly seed?: number;
  /** Rotate pictures by their EXIF orientation (default true). */
  readonly exif?: boolean;
  /** Cache that known features are read from and new ones are written to. */
  readonly cache?: FeatureCache;
  /** Loader that decodes the pictures. By default a new one is used and closed. */
  readonly loader?: ImageLoader;
  /** Number of pictures that are decoded, encoded and stored together (default 8). */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  onProgress?(progress: EncodeProgress): void;
}

/** Progress of `encodeImages`, in pictures. */
export interface EncodeProgress {
  /** Number of finished pictures: encoded, found in the cache or unreadable. */
  readonly done: number;
  /** Number of all pictures. Absent if they come from a stream. */
  readonly total?: number;
  readonly hits: number;
  readonly failures: number;
}

/** Embeddings of pictures, and the pictures that could not be read. */
export interface EncodedImages {
  /** Features [rows, d], not normalised, with one row for every view of every readable picture, in the order of the pictures. */
  readonly features: Matrix;
  /** Picture (index in the input) and view of each row. */
  readonly rows: readonly { readonly item: number; readonly view: View }[];
  /** Pictures that could not be read, in order. */
  readonly failures: readonly EncodeFailure[];
  /** Input indices of the failures. */
  readonly failed: ReadonlySet<number>;
  /** Number of rows that came from the cache. */
  readonly hits: number;
  /** Sha256 (hex) of the file of each readable picture, in order. */
  readonly hashes: readonly string[];
}

/** A picture that could not be read: its index in the input, its id, and the error. */
export interface EncodeFailure {
  readonly item: number;
  readonly id: string;
  readonly error: TipAdapterError;
}

/** One picture in progress: its cached features, and the pixels of the views without one. */
interface Prepared {
  readonly item: number;
  readonly hash: string;
  readonly features: (Float32Array | undefined)[];
  readonly missing: readonly { at: number; key: string; pixels: Pixels }[];
  readonly failure?: EncodeFailure;
}

/** Number of groups that are decoded, and that are encoded, ahead of the current one: enough to keep the encoder busy. */
const DECODED_AHEAD = 2;
const ENCODED_AHEAD = 1;

/**
 * Returns the features of pictures. Pictures are read, looked up in the cache, decoded, encoded and stored in groups. One group is
 * decoded while another is encoded, and memory stays bounded for any number of pictures. Unreadable pictures are in `failures`.
 * Throws `InterruptedError` when the signal fires. Finished features are in the cache by then.
 */
export async function encodeImages(
  encoder: Encoder,
  items: readonly EncodableImage[] | AsyncIterable<EncodableImage>,
  options: EncodeOptions = {},
): Promise<EncodedImages> {
  const { batch = 8, signal, onProgress } = options;
  const cache = cacheOf(encoder, options.cache);
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

/** A picture with a feature for each view, or with the reason why it has no features. */
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
  cache?: ReturnType<typeof cacheOf>,
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
  /** Cache keys of a picture's views. They contain everything that changes pixels or weights. */
  keys(hash: string): string[];
}

/** The key of a picture's features in the cache, for the sha256 of its bytes. `view` names a view, `0` for the plain one. */
export function featureKey(hash: string, encoder: Pick<Encoder, 'fingerprint'>, view = '0'): string {
  return `${hash}:${DECODING}:${encoder.fingerprint}:${view}`;
}

function planOf(encoder: Encoder, { views = [0], seed = 0, exif = true }: EncodeOptions): Plan {
  const suffixes = views.map((view) => `${view}${view === 0 ? '' : `@${seed}`}${exif ? '' : ':as-stored'}`);
  return {
    encoder,
    views,
    seed,
    exif,
    keys: (hash) => suffixes.map((suffix) => featureKey(hash, encoder, suffix)),
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
  cache?: ReturnType<typeof cacheOf>,
  signal?: AbortSignal,
): Promise<Prepared[]> {
  throwIfAborted(signal);
  const read = await Promise.all(
    group.map((one) => (one.image.stored ? knownFeature(one.image, one.image.stored, plan) : readBytes(one))),
  );
  const keys = read.map(({ hash }) => plan.keys(hash));
  const known = read.every(({ values }) => values) ? undefined : cache?.getMany(keys.flat());
  const width = plan.views.length;
  const lacks = (i: number) => plan.views.some((_, v) => known?.[i * width + v] === undefined);
  // Start to load the model, so that it loads while the first pictures are decoded.
  if (read.some(({ bytes }, i) => bytes && lacks(i))) plan.encoder.prepare?.();
  return Promise.all(
    group.map((numbered, i) => {
      const { bytes, hash, failure, values } = read[i]!;
      if (values) return { item: numbered.item, hash, features: [values], missing: [] };
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

/** A picture's bytes, its known features, or the error that prevents both. */
interface ReadPicture {
  readonly hash: string;
  readonly bytes?: Uint8Array;
  readonly values?: Float32Array;
  readonly failure?: EncodeFailure;
}

/** The stored features of a picture. Throws if they are of another encoder or of other pixels than the plan wants. */
function knownFeature({ id }: EncodableImage, stored: StoredFeature, plan: Plan): ReadPicture {
  const { encoder, views, exif } = plan;
  if (!hasFingerprint(encoder, stored.encoder)) {
    throw new ModelError(`The features of ${id} are not those of the encoder ${encoder.id}`, {
      code: 'features/other-encoder',
      hint: 'Use the encoder that made the features, or make them again with tip-adapter embed --encoder.',
      details: { expected: encoder.fingerprint, actual: stored.encoder },
    });
  }
  if (views.length === 1 && views[0] === 0 && stored.exif === exif)
    return { hash: stored.sha256, values: stored.values };
  const what =
    stored.exif === exif ? 'the whole picture only, without views' : 'pictures that were rotated otherwise';
  throw new UsageError(`The features of ${id} are those of ${what}`, {
    code: 'features/view',
    hint: 'Leave out the options for views and EXIF, or give the pictures.',
    details: { id },
  });
}

async function readBytes(numbered: Numbered): Promise<ReadPicture> {
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

/** The error of a picture. Rethrows errors that the picture has not caused: an interruption, or a decoder that does not work. */
export function failureOf({ item, image }: Numbered, error: unknown): EncodeFailure {
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
