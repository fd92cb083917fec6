import { findRepeats } from '../classifier/repeats.ts';
import type { LabelledRows } from '../dataset/feature-dump.ts';
import type { Located } from '../dataset/locate.ts';
import { readDataset } from '../dataset/read.ts';
import { sampleFewShot } from '../dataset/sample.ts';
import { splitDataset } from '../dataset/split.ts';
import type { Dataset, Example, Split } from '../dataset/types.ts';
import { chooseEncoder } from '../encoder/choose.ts';
import { type EncodedImages, encodeImages } from '../encoder/encode.ts';
import { loadEncoder } from '../encoder/local.ts';
import { TEMPLATES, textHead } from '../encoder/prompts.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { DataError } from '../errors.ts';
import { selectRows } from '../math/matrix.ts';
import { type Support, selectExamples } from '../methods/task.ts';
import { openFeatureCache } from '../store/feature-cache.ts';
import { type BenchSource, hashOf, type OpenOptions } from './source.ts';

/**
 * Encodes those pictures that will be drawn and those that are judged by, with the prompts of the public data set where it is one.
 * Throws `DataError` where there is nothing to judge by.
 */
export async function openPictures({ path, known }: Located, options: OpenOptions): Promise<BenchSource> {
  const { shots, seeds, validation = false, testOnly = false, signal, note, onProgress } = options;
  const read = await readDataset(path, { signal });
  const dataset = testOnly ? read : splitDataset(read, { testFraction: 'auto', seed: 1 });
  const { name, reason } = await chooseEncoder(options.encoder, { signal });
  note?.(reason);
  const encoder = await loadEncoder(name, { engine: sharedEngine(), signal });
  const encode = pictureEncoder(encoder, options);
  const pool = testOnly ? [] : poolOf(dataset, shots, seeds);
  const test = ofSplit(dataset, 'test');
  if (test.length === 0)
    throw new DataError(`${dataset.name} has no test pictures`, { code: 'bench/no-test' });
  const val = validation ? ofSplit(dataset, 'val') : [];
  const total = pool.length * (options.views ?? 1) + test.length + val.length;
  let before = 0;
  const counted = async (examples: readonly Example[], views: readonly number[]) => {
    const encoded = await encode(examples, views, (done) => onProgress?.({ done: before + done, total }));
    before += examples.length * views.length;
    return { ...encoded, kept: examples.filter((_, i) => !encoded.failed.has(i)) };
  };
  const learnt = await counted(pool, viewsOf(options.views));
  const judged = await counted(test, [0]);
  const tuned = await counted(val, [0]);
  const support = await supportOf(dataset, learnt.kept, learnt);
  const own = new Set(learnt.hashes);
  const place = new Map(learnt.kept.map(({ id }, i) => [id, i]));
  const templates = known ? TEMPLATES[known.id.replace(/^imagenet-.*/, 'imagenet')] : undefined;
  const largest = Math.max(0, ...dataset.classes.map((_, c) => countOf(dataset, c)));
  const tower = await encoder.textTower?.();
  const failures = [...learnt.failures, ...judged.failures, ...tuned.failures];
  return {
    name: known?.title ?? dataset.name,
    known,
    encoder: encoder.id,
    fingerprint: hashOf([
      encoder.fingerprint,
      String(options.views ?? 1),
      ...[learnt, judged, tuned].flatMap(({ hashes, kept }) => [...hashes, ...kept.map(({ id }) => id)]),
    ]),
    classes: dataset.classes.map(({ id }) => id),
    order: dataset.order ?? [...dataset.classes.keys()],
    dimension: encoder.dimension,
    head: await textHead(encoder, dataset.classes, templates, signal),
    ...(templates &&
      templates.length > 1 && {
        plainHead: await textHead(encoder, dataset.classes, [PLAIN], signal),
      }),
    textTower: tower && { tower, names: dataset.classes.map(({ promptName }) => promptName) },
    defaults: encoder.defaults,
    seeded: true,
    has: (k) => k <= largest,
    draw: (k, seed) => {
      const drawn = sampleFewShot(dataset, { shots: k, seed, split: 'train' });
      return selectExamples(
        support,
        drawn.flatMap((i) => place.get(dataset.examples[i].id) ?? []),
      );
    },
    val: tuned.kept.length > 0 ? rowsOf(tuned, tuned.kept) : undefined,
    judged: () => [{ on: '', ...rowsOf(judged, judged.kept, own) }],
    how: 'test pictures',
    encodeMilliseconds: await timeOf(encoder, judged.kept, signal),
    notes: [
      ...dataset.findings.flatMap(({ level, message }) => (level === 'warning' ? [message] : [])),
      ...failures.map(({ id, error }) => `${id} is left out: ${error.message}`),
    ],
  };
}

/** The paper's one prompt beside an ensemble (its section 4.4). */
const PLAIN = 'a photo of a {}.';

/** Every picture of any draw, in the order of the data set. */
function poolOf(dataset: Dataset, shots: number, seeds: readonly number[]): Example[] {
  const drawn = new Set(seeds.flatMap((seed) => sampleFewShot(dataset, { shots, seed, split: 'train' })));
  return [...drawn].sort((a, b) => a - b).map((i) => dataset.examples[i]);
}

function ofSplit({ examples }: Dataset, split: Split): Example[] {
  return examples.filter((example) => example.split === split && example.label >= 0);
}

function countOf({ examples }: Dataset, c: number): number {
  return examples.filter(({ label, split }) => label === c && split === 'train').length;
}

/** The plain view, and, for the paper's averaged keys, augmented ones. */
function viewsOf(views = 1): number[] {
  return views === 1 ? [0] : Array.from({ length: views + 1 }, (_, view) => view);
}

function pictureEncoder(encoder: Encoder, { signal }: OpenOptions) {
  const cache = openFeatureCache();
  return (examples: readonly Example[], views: readonly number[], progress: (done: number) => void) =>
    encodeImages(encoder, examples, {
      views,
      seed: 1,
      cache,
      signal,
      onProgress: ({ done }) => progress(done * views.length),
    });
}

async function supportOf(
  dataset: Dataset,
  kept: readonly Example[],
  encoded: EncodedImages,
): Promise<Support> {
  const position = new Map<number, number>();
  for (const { item } of encoded.rows) if (!position.has(item)) position.set(item, position.size);
  const { groups } =
    kept.length > 0 ? await findRepeats(dataset, kept, encoded) : { groups: new Int32Array() };
  return {
    features: encoded.features,
    example: Int32Array.from(encoded.rows, ({ item }) => position.get(item) as number),
    view: Int32Array.from(encoded.rows, ({ view }) => view),
    labels: Int32Array.from(kept, ({ label }) => label),
    groups,
  };
}

/** Plain rows, but for pictures that are examples as well. */
function rowsOf(
  { features, hashes }: EncodedImages,
  examples: readonly Example[],
  without: ReadonlySet<string> = new Set(),
): LabelledRows {
  const kept = [...examples.keys()].filter((i) => !without.has(hashes[i]));
  return { features: selectRows(features, kept), labels: Int32Array.from(kept, (i) => examples[i].label) };
}

/** Pictures that are encoded anew to take the time. */
const TIMED = 16;

async function timeOf(encoder: Encoder, examples: readonly Example[], signal?: AbortSignal): Promise<number> {
  const some = examples.slice(0, TIMED);
  const started = performance.now();
  await encodeImages(encoder, some, { signal });
  return (performance.now() - started) / some.length;
}
