import { type FeatureDump, type LabelledRows, readFeatureDump } from '../dataset/feature-dump.ts';
import type { KnownDataset } from '../dataset/known.ts';
import type { Located } from '../dataset/locate.ts';
import { sampleFewShot } from '../dataset/sample.ts';
import { CLIP_DEFAULTS } from '../encoder/registry.ts';
import type { CacheDefaults } from '../encoder/types.ts';
import { dot, row, selectRows, unitRows } from '../math/matrix.ts';
import { plainSupport, type Support, selectExamples, type Task, type TextHead } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { hashOf } from '../store/checksum.ts';

/** Rows that a fitted method is judged by. */
export interface JudgedRows extends LabelledRows {
  /** What they are called beside others of the same fit: `base`, `ImageNet-V2`; '' where there are no others. */
  readonly on: string;
  /** The classes that are answered among, where it is not all of them. */
  readonly among?: readonly number[];
}

/** Data that cells of a benchmark draw from: features, whether they were encoded here or brought. */
export interface BenchSource {
  readonly name: string;
  readonly known?: KnownDataset;
  readonly encoder: string;
  /** Decides, with a cell's settings, whether a finished cell is this one. */
  readonly fingerprint: string;
  readonly classes: readonly string[];
  /** Classes in the source's own order. */
  readonly order: readonly number[];
  readonly dimension: number;
  readonly head?: TextHead;
  /** The head of one prompt a class, where `head` has several. */
  readonly plainHead?: TextHead;
  readonly textTower?: Task['textTower'];
  readonly defaults: CacheDefaults;
  /** Whether a seed draws other examples. */
  readonly seeded: boolean;
  /** Whether examples of that number can be drawn, from at least one class. */
  has(shots: number): boolean;
  draw(shots: number, seed: number): Support | undefined;
  readonly val?: LabelledRows;
  /** The rows that are reported, for a draw; `how` says which they are. */
  judged(support: Support): readonly JudgedRows[];
  /** Whether those rows are others for another draw. */
  readonly judgedByDraw?: boolean;
  readonly how: string;
  /** Encoding a picture, without what was known before. */
  readonly encodeMilliseconds?: number;
  /** What is odd about the data, in words. */
  readonly notes: readonly string[];
}

export interface OpenOptions {
  readonly encoder: string;
  /** Largest number of examples that will be drawn, and the seeds they are drawn by. */
  readonly shots: number;
  readonly seeds: readonly number[];
  /** Views of each example: 1, or the paper's 10. */
  readonly views?: number;
  /** Whether the validation split will be needed. */
  readonly validation?: boolean;
  /** A test set only, without examples. */
  readonly testOnly?: boolean;
  readonly signal?: AbortSignal;
  note?(line: string): void;
  onProgress?(progress: { done: number; total: number }): void;
}

/** Opens a folder of features, or pictures, which are encoded. Throws `DataError` where there is nothing to judge by. */
export async function openSource(located: Located, options: OpenOptions): Promise<BenchSource> {
  if (located.kind === 'features') return fromDump(located, options);
  const { openPictures } = await import('./pictures.ts');
  return openPictures(located, options);
}

async function fromDump(
  { path, name, known }: Located,
  { testOnly = false }: OpenOptions,
): Promise<BenchSource> {
  const dump = await readFeatureDump(path, { examples: !testOnly });
  const { encoder, classes, dimension, draws, train, findings } = dump;
  const judged = dump.test ?? dump.val;
  const largest = Math.max(0, ...draws.keys());
  return {
    name: known?.title ?? name,
    known,
    encoder,
    fingerprint: fingerprintOf(dump),
    classes,
    order: [...classes.keys()],
    dimension,
    ...headsOf(dump),
    defaults: CLIP_DEFAULTS,
    seeded: train !== undefined,
    // Without rows to judge by, those of the largest draw that a smaller one leaves are taken.
    has: (shots) =>
      (draws.has(shots) || (train !== undefined && shots <= largest)) &&
      (judged !== undefined || shots < largest),
    draw: (shots, seed) => drawOf(dump, shots, seed),
    // Rows that are reported are not for tuning too.
    val: dump.test ? dump.val : undefined,
    judged: (support) => [{ on: '', ...(judged ?? others(draws.get(largest) as LabelledRows, support)) }],
    judgedByDraw: judged === undefined,
    how: dump.test
      ? 'test rows'
      : dump.val
        ? 'validation rows, because there is no test split (they are not used for tuning unless the protocol says so)'
        : `rows of the ${largest}-shot draw that are not nearly equal to one of the examples`,
    notes: findings,
  };
}

/** By the seed from the training rows; without those, the draw that was brought. */
function drawOf({ draws, train }: FeatureDump, shots: number, seed: number): Support | undefined {
  if (!train) {
    const rows = draws.get(shots);
    return rows && plainSupport(rows.features, rows.labels);
  }
  const drawn = sampleFewShot({ labels: train.labels }, { shots, seed });
  return selectExamples(plainSupport(train.features, train.labels), drawn);
}

/** OpenAI's CLIP, whose features such folders hold as a rule. */
const LOGIT_SCALE = 100;

function headsOf({ text, prompts, classes }: FeatureDump): Pick<BenchSource, 'head' | 'plainHead'> {
  const plain = text && headFromPrompts(text, Int32Array.from(classes.keys()), classes.length, LOGIT_SCALE);
  if (!prompts) return { head: plain };
  const head = headFromPrompts(prompts.features, prompts.labels, classes.length, LOGIT_SCALE);
  return { head, plainHead: plain };
}

/** Copies of a picture, even differently augmented, lie nearer than this; other pictures of a class do not. */
const SAME = 0.97;

function others({ features, labels }: LabelledRows, support: Support): LabelledRows {
  const [rows, keys] = [unitRows(features), unitRows(support.features)];
  const kept = [...labels.keys()].filter((i) =>
    support.labels.every((label, k) => label !== labels[i] || dot(row(rows, i), row(keys, k)) < SAME),
  );
  return { features: selectRows(features, kept), labels: Int32Array.from(kept, (i) => labels[i]) };
}

/** Sha256 (hex) of every number and name that a dump's cells come from. */
function fingerprintOf({ encoder, classes, draws, train, val, test, text, prompts }: FeatureDump): string {
  const tables = { ...Object.fromEntries(draws), train, val, test, prompts };
  const pieces = Object.entries(tables).flatMap(([name, rows]) =>
    rows ? [`${name} ${rows.features.cols}`, rows.features.data, rows.labels] : [],
  );
  return hashOf(JSON.stringify({ encoder, classes }), ...pieces, ...(text ? ['text', text.data] : []));
}
