import type { Abortable } from '../abort.ts';
import {
  duplicateFindings,
  exactDuplicates,
  groupDuplicates,
  nearDuplicates,
} from '../dataset/duplicates.ts';
import type { Dataset, Example, Finding } from '../dataset/types.ts';
import { ahead } from '../encoder/ahead.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import { sharedEngine } from '../engine/shared.ts';
import { DataError } from '../errors.ts';
import { input } from '../graph/expression.ts';
import { matmulT } from '../graph/products.ts';
import { type Matrix, matrix, selectRows, unitRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import type { Support } from '../methods/task.ts';
import type { EmbeddingSession } from './encoder-session.ts';
import { type Keys, rounded } from './rounding.ts';
import type { SupportExample, WorkOptions } from './types.ts';

/** Encoded examples, in the form that methods learn from. */
export interface Embedded {
  /** The pictures that could be read. `support` and `described` describe these. */
  readonly kept: readonly Example[];
  readonly failures: EncodedImages['failures'];
  readonly support: Support;
  readonly described: readonly SupportExample[];
  /** Features before rounding to 8 bits, [r, d]. */
  readonly exact?: Matrix;
  /** Findings about duplicates. */
  readonly findings: readonly Finding[];
}

/** Options of `embedExamples`. */
export interface EmbedOptions extends WorkOptions {
  /** Number of views of each picture. 1 is the picture itself. */
  readonly views: number;
  readonly seed: number;
  readonly exif: boolean;
  readonly keys: Keys;
  readonly thumbnails: boolean;
  /** The data set whose groups and duplicates are used. Without it each picture is a group of its own. */
  readonly dataset?: Dataset;
}

/** Embeds labelled pictures, joins duplicates into groups, and rounds the features to the precision of the file. */
export async function embedExamples(
  session: EmbeddingSession,
  examples: readonly Example[],
  { views, seed, exif, keys, thumbnails, dataset, signal, onProgress }: EmbedOptions,
): Promise<Embedded> {
  const all = views > 1 ? Array.from({ length: views + 1 }, (_, view) => view) : [0];
  const encoded = await session.encode(examples, { views: all, seed, exif, signal, onProgress });
  const { features, rows, failed, failures, hashes } = encoded;
  const kept = examples.filter((_, i) => !failed.has(i));
  // Other processes make the thumbnails while this one looks for duplicates.
  const [pictures, repeats] = await Promise.all([
    thumbnails ? thumbnailsOf(session, kept, signal) : [],
    dataset && findRepeats(dataset, kept, encoded, { signal }),
  ]);
  const position = new Map<number, number>();
  for (const { item } of rows)
    if (!failed.has(item) && !position.has(item)) position.set(item, position.size);
  const support = {
    features: rounded(features, keys),
    example: Int32Array.from(rows, ({ item }) => position.get(item)!),
    view: Int32Array.from(rows, ({ view }) => view),
    labels: Int32Array.from(kept, ({ label }) => label),
    groups: repeats?.groups ?? Int32Array.from(kept.keys()),
  };
  const described = kept.map(({ id }, i) => ({ id, sha256: hashes[i]!, thumbnail: pictures[i] }));
  const exact = keys === 'int8' ? features : undefined;
  return { kept, failures, support, described, exact, findings: repeats?.findings ?? [] };
}

/** The thumbnails of examples, in their order. */
export async function thumbnailsOf(
  session: Pick<EmbeddingSession, 'thumbnail'>,
  examples: readonly Example[],
  signal?: AbortSignal,
): Promise<(Uint8Array | undefined)[]> {
  const made: (Uint8Array | undefined)[] = [];
  const one = (example: Example) => thumbnailOf(session, example, signal);
  for await (const thumbnail of ahead(examples, one, READ_AHEAD)) made.push(thumbnail);
  return made;
}

/** The thumbnail of an example. One whose features are stored has none if its picture is not there any more. */
async function thumbnailOf(
  session: Pick<EmbeddingSession, 'thumbnail'>,
  example: Example,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const made = session.thumbnail(example, { signal });
  if (!example.stored) return made;
  return made.catch((error) => {
    if (!(error instanceof DataError)) throw error;
    return undefined;
  });
}

/** Number of pictures whose bytes are in memory at a time while thumbnails are made. */
const READ_AHEAD = 16;

/**
 * Finds duplicates and near-duplicates among encoded examples and joins them with the data set's groups. No fold separates a group.
 * Returns the group number of each example, and findings.
 */
export async function findRepeats(
  dataset: Dataset,
  examples: readonly Example[],
  { features, rows, hashes }: EncodedImages,
  { signal }: Abortable = {},
): Promise<{ groups: Int32Array; findings: Finding[] }> {
  const labels = Int32Array.from(examples, (example) => example.label);
  const plain = rows.flatMap(({ view }, r) => (view === 0 ? [r] : []));
  const { product, close } = await engineProduct(signal);
  const near = await nearDuplicates(unitRows(selectRows(features, plain)), {
    labels,
    product,
    signal,
  }).finally(close);
  const same = exactDuplicates(hashes, labels);
  const seen = { ...dataset, examples: [...examples] };
  const grouped = groupDuplicates(seen, [...same.groups, ...near.groups]);
  const numbers = new Map<string, number>();
  const groups = Int32Array.from(grouped.examples, ({ group }, i) => {
    const key = group === undefined ? `example ${i}` : `group ${group}`;
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key)!;
  });
  return { groups, findings: duplicateFindings(seen, near) };
}

/** a b^T on the engine, for any sizes. */
export async function engineProduct(signal?: AbortSignal): Promise<{
  product(a: Matrix, b: Matrix): Promise<Matrix>;
  close(): Promise<void>;
}> {
  const session = await sharedEngine().compile({
    product: matmulT(input('a', ['n', 'd']), input('b', ['m', 'd'])),
  });
  const tensor = ({ rows, cols, data }: Matrix) => floatTensor([rows, cols], data);
  return {
    product: async (a, b) => {
      const results = await session.run({ a: tensor(a), b: tensor(b) }, { signal });
      return matrix(a.rows, b.rows, results.product.data as Float32Array);
    },
    close: () => session.close(),
  };
}
