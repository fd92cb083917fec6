import { promptFindings } from '../classifier/class-texts.ts';
import { findRepeats } from '../classifier/examples.ts';
import { fineTunedOn } from '../classifier/fine-tuned-on.ts';
import { partsOf } from '../classifier/learn.ts';
import type { LabelledRows } from '../dataset/feature-dump.ts';
import { sampleFewShot } from '../dataset/few-shot.ts';
import { quoted } from '../dataset/findings.ts';
import { groupedBy } from '../dataset/grouping.ts';
import type { Located } from '../dataset/locate.ts';
import { readDataset } from '../dataset/read.ts';
import { AUTO_TEST_FRACTION, splitDataset } from '../dataset/split.ts';
import type { Dataset, Example, Split } from '../dataset/types.ts';
import { chooseEncoder, type EncoderChoice } from '../encoder/choose.ts';
import { type EncodedImages, encodeImages } from '../encoder/encode.ts';
import { withEqualWeights } from '../encoder/joined.ts';
import { loadEncoder } from '../encoder/load.ts';
import { withSuffix } from '../encoder/pre-projection.ts';
import { TEMPLATES, textHead } from '../encoder/prompts.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { DataError, messageAbout, type TipAdapterError } from '../errors.ts';
import { selectRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { type Support, selectExamples } from '../methods/task.ts';
import { hashOf } from '../store/checksum.ts';
import { openFeatureCache } from '../store/feature-cache.ts';
import { count, number, plural } from '../words.ts';
import type { BenchSource, OpenOptions } from './bench-source.ts';

/**
 * Encodes the pictures of all draws and of the test split. A public data set gets its own prompts. Throws `DataError` if there is nothing
 * to test on.
 */
export async function openPictures({ path, known }: Located, options: OpenOptions): Promise<BenchSource> {
  const { testOnly = false, views = 1, signal, note } = options;
  const listed = await readDataset(path, { ...options.reading, signal, note });
  await options.onRead?.(listed);
  const read = options.groupBy ? await groupedBy(listed, options.groupBy, { signal }) : listed;
  const dataset = testOnly ? read : splitDataset(read, { testFraction: 'auto', seed: 1 });
  const { name, reason } = await chosenEncoder(wantedEncoder(options.encoder, dataset), options);
  note?.(reason);
  const encoder = withEqualWeights(await loadEncoder(name, { engine: sharedEngine(), signal }));
  const { learnt, tested, tuned } = await encodeSplits(dataset, encoder, options);
  const support = await supportOf(dataset, learnt, signal);
  const templates = known && TEMPLATES[known.id.replace(/^imagenet-.*/, 'imagenet')];
  const heads = await headsOf(encoder, dataset, templates, signal);
  const encodeMilliseconds = await timeOf(encoder, tested.kept, signal);
  const [tower, projection] = [await encoder.textTower?.(), await encoder.projection?.()];
  // The text tower stays open until the last fit, for methods that learn prompts.
  if (!tower) await encoder.close();
  const taught = fineTunedOn(encoder);
  const own = new Set([...learnt.hashes, ...taught]);
  const rows = { on: '', ...rowsOf(tested, own) };
  const leftOut = leftOutNotes(tested, new Set(learnt.hashes), taught);
  if (rows.labels.length === 0) throw noTest(`${dataset.name} has nothing to test on: ${leftOut.join('; ')}`);
  const place = new Map(learnt.kept.map(({ id }, i) => [id, i]));
  const largest = Math.max(0, ...dataset.classes.map((_, c) => countOf(dataset, c)));
  const all = [learnt, tested, tuned];
  const readNotes = dataset.findings.flatMap(({ level, code, message, paths = [] }) => {
    if (level !== 'warning' && !LACKS.includes(code)) return [];
    return UNREAD.includes(code) ? [`${message} ${quoted(paths)}`] : [message];
  });
  return {
    name: known?.title ?? dataset.name,
    known,
    encoder: encoder.id,
    fingerprint: fingerprintOf(dataset, encoder, { views, templates, splits: [learnt, tested, tuned] }),
    classes: dataset.classes.map(({ id }) => id),
    order: dataset.order ?? [...dataset.classes.keys()],
    dimension: encoder.dimension,
    ...heads,
    ...(projection && { projection }),
    ...(tower && {
      textTower: { tower, names: dataset.classes.map(({ promptName }) => promptName) },
      close: () => encoder.close(),
    }),
    defaults: encoder.defaults,
    seeded: true,
    has: (k) => k <= largest,
    draw: (k, seed) => {
      const drawn = sampleFewShot(dataset, { shots: k, seed, split: 'train' });
      return selectExamples(
        support,
        drawn.flatMap((i) => place.get(dataset.examples[i]!.id) ?? []),
      );
    },
    val: tuned.kept.length > 0 ? rowsOf(tuned) : undefined,
    testRows: () => [rows],
    how:
      dataset === read
        ? 'test pictures'
        : `about ${100 * AUTO_TEST_FRACTION}% of the pictures of each class, because there is no test split`,
    leftOut,
    encodeMilliseconds,
    unread: [
      ...(dataset.unreadable ?? []).map((one) => one.path),
      ...all.flatMap(({ failures }) => failures.map(({ id }) => id)),
    ],
    readNotes,
    notes: [
      ...heads.notes,
      ...fineTunedNotes([learnt, tuned], taught),
      ...readNotes,
      ...all.flatMap(({ failures }) =>
        failures.map(({ id, error }) => `${messageAbout(id, error.message)} (left out)`),
      ),
    ],
  };
}

/** The encoder of stored features, if the data are such and no other is wanted. */
function wantedEncoder(given: string, { encoder }: Dataset): string {
  return given === 'auto' ? (encoder ?? given) : given;
}

/**
 * The encoder for the methods. `auto` takes one on this machine that has all the parts that they learn from, if there is one; otherwise methods
 * whose part is lacking are left out. Rows have pre-projection features if every method learns from them or, as zero-shot, ignores them.
 */
async function chosenEncoder(
  wanted: string,
  { methods = [], signal }: Pick<OpenOptions, 'methods' | 'signal'>,
): Promise<EncoderChoice> {
  const needs = methods.map((id) => (id === 'auto' ? [] : partsOf(methodById(id))));
  const parts = [...new Set(needs.flat())];
  if (wanted !== 'auto' || parts.length === 0) return chooseEncoder(wanted, { signal });
  try {
    const choice = await chooseEncoder(wanted, { signal, parts });
    const widened = methods.every((id, i) => id === 'zero-shot' || needs[i]!.includes('projection'));
    return widened ? chooseEncoder(withSuffix(choice.name)) : choice;
  } catch (error) {
    if ((error as TipAdapterError).code !== 'encoder/from-weights') throw error;
    return chooseEncoder(wanted, { signal });
  }
}

/** Sha256 (hex) of everything about these pictures that affects the cells. */
function fingerprintOf(
  { classes, order }: Dataset,
  { fingerprint, dimension, logitScale, defaults }: Encoder,
  { splits, ...how }: { views: number; templates?: readonly string[]; splits: readonly Readable[] },
): string {
  const pictures = splits.map(({ kept, hashes }) =>
    kept.map(({ id, label, group }, i) => [id, hashes[i], label, group]),
  );
  const encoder = { fingerprint, dimension, logitScale, defaults };
  return hashOf(JSON.stringify({ encoder, ...how, classes, order, pictures }));
}

/** A note about examples that the encoder was fine-tuned on: folds of the examples cannot leave them out. */
function fineTunedNotes(examples: readonly Readable[], taught: ReadonlySet<string>): string[] {
  const n = examples.flatMap(({ hashes }) => hashes).filter((hash) => taught.has(hash)).length;
  if (n === 0) return [];
  return [
    `The encoder was fine-tuned on ${count(n, 'picture')} of the examples: what is tuned on them is tuned on scores that are too good`,
  ];
}

/** Notes about test pictures that are also examples, or that the encoder was fine-tuned on. */
function leftOutNotes(
  { hashes }: Readable,
  examples: ReadonlySet<string>,
  taught: ReadonlySet<string>,
): string[] {
  const same = hashes.filter((hash) => examples.has(hash)).length;
  const tuned = hashes.filter((hash) => taught.has(hash) && !examples.has(hash)).length;
  const of = (n: number) =>
    `${number(n)} of ${count(hashes.length, 'test picture')} ${plural(n, 'was', 'were')} left out, because`;
  return [
    same > 0 && `${of(same)} the same ${plural(same, 'picture is', 'pictures are')} among the examples`,
    tuned > 0 && `${of(tuned)} the encoder was fine-tuned on ${plural(tuned, 'it', 'them')}`,
  ].filter((note) => note !== false);
}

function noTest(message: string): DataError {
  return new DataError(message, {
    code: 'bench/no-test',
    hint: 'Give data with a test split, for example in the folders train and test.',
  });
}

/** The encoded pictures, without the unreadable ones. */
interface Readable extends EncodedImages {
  readonly kept: readonly Example[];
}

async function encodeSplits(
  dataset: Dataset,
  encoder: Encoder,
  { shots, seeds, views = 1, validation = false, testOnly = false, signal, onProgress }: OpenOptions,
): Promise<Record<'learnt' | 'tested' | 'tuned', Readable>> {
  const pool = testOnly ? [] : poolOf(dataset, shots, seeds);
  const test = ofSplit(dataset, 'test');
  if (test.length === 0) throw noTest(`${dataset.name} has no test pictures`);
  const val = validation ? ofSplit(dataset, 'val') : [];
  const cache = openFeatureCache();
  const total = pool.length + test.length + val.length;
  let before = 0;
  const encode = async (examples: readonly Example[], wanted: readonly number[]): Promise<Readable> => {
    const encoded = await encodeImages(encoder, examples, {
      views: wanted,
      seed: 1,
      cache,
      signal,
      onProgress: ({ done }) => onProgress?.({ done: before + done, total }),
    });
    before += examples.length;
    return { ...encoded, kept: examples.filter((_, i) => !encoded.failed.has(i)) };
  };
  // View 0, and augmented views for the paper's averaged keys.
  const learnt = await encode(pool, views === 1 ? [0] : Array.from({ length: views + 1 }, (_, view) => view));
  return { learnt, tested: await encode(test, [0]), tuned: await encode(val, [0]) };
}

async function headsOf(
  encoder: Encoder,
  { classes }: Dataset,
  templates: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<Pick<BenchSource, 'head' | 'plainHead' | 'notes'>> {
  if (!encoder.embedTexts)
    return { notes: [`${encoder.id} embeds pictures only: methods that need class names are left out`] };
  const head = await textHead(encoder, classes, templates, { signal });
  const notes = promptFindings(head, encoder.id).map(
    ({ message, paths }) => `${message}: ${paths?.join(', ')}`,
  );
  if (!templates || templates.length === 1) return { head, notes };
  return { head, plainHead: await textHead(encoder, classes, [PLAIN], { signal }), notes };
}

/** Findings of the kind `info` that readers of the figures need. */
const LACKS = ['dataset/absent-class', 'dataset/missing-classes'];

/** Findings about unreadable files, which the notes name. */
const UNREAD = ['dataset/unreadable', 'dataset/missing-files', 'dataset/zip-unusable'];

/** The single prompt that the paper compares with an ensemble (section 4.4). */
const PLAIN = 'a photo of a {}.';

/** The pictures of all draws together, in the order of the data set. */
function poolOf(dataset: Dataset, shots: number, seeds: readonly number[]): Example[] {
  const drawn = new Set(seeds.flatMap((seed) => sampleFewShot(dataset, { shots, seed, split: 'train' })));
  return [...drawn].sort((a, b) => a - b).map((i) => dataset.examples[i]!);
}

function ofSplit({ examples }: Dataset, split: Split): Example[] {
  return examples.filter((example) => example.split === split && example.label >= 0);
}

function countOf({ examples }: Dataset, c: number): number {
  return examples.filter(({ label, split }) => label === c && split === 'train').length;
}

async function supportOf(
  dataset: Dataset,
  { kept, features, rows, ...rest }: Readable,
  signal?: AbortSignal,
): Promise<Support> {
  const position = new Map<number, number>();
  for (const { item } of rows) if (!position.has(item)) position.set(item, position.size);
  const repeats =
    kept.length > 0
      ? await findRepeats(dataset, kept, { features, rows, ...rest }, { signal })
      : { groups: [] };
  return {
    features,
    example: Int32Array.from(rows, ({ item }) => position.get(item)!),
    view: Int32Array.from(rows, ({ view }) => view),
    labels: Int32Array.from(kept, ({ label }) => label),
    groups: Int32Array.from(repeats.groups),
  };
}

/** Rows of view 0, without pictures that are also examples. */
function rowsOf(
  { features, hashes, kept }: Readable,
  without: ReadonlySet<string> = new Set(),
): LabelledRows {
  const own = [...kept.keys()].filter((i) => !without.has(hashes[i]!));
  return { features: selectRows(features, own), labels: Int32Array.from(own, (i) => kept[i]!.label) };
}

/** Number of pictures that are encoded again to measure the time. */
const TIMED = 16;

/** Milliseconds for one picture. Undefined if the pictures are not there, but only their stored features. */
async function timeOf(
  encoder: Encoder,
  examples: readonly Example[],
  signal?: AbortSignal,
): Promise<number | undefined> {
  const some = examples.slice(0, TIMED);
  if (some.some(({ stored }) => stored)) return undefined;
  const started = performance.now();
  await encodeImages(encoder, some, { signal });
  return (performance.now() - started) / some.length;
}
