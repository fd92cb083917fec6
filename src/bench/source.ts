import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { fit } from '../classifier/index.ts';
import { isFeatureDump, type LabelledRows, readFeatureDump } from '../dataset/feature-dump.ts';
import { readDataset } from '../dataset/read.ts';
import { sampleFewShot } from '../dataset/sample.ts';
import { splitDataset } from '../dataset/split.ts';
import { CLIP_DEFAULTS } from '../encoder/registry.ts';
import type { CacheDefaults } from '../encoder/types.ts';
import { DataError } from '../errors.ts';
import { dot, row, selectRows, unitRows } from '../math/matrix.ts';
import { plainSupport, type Support, selectExamples, type TextHead } from '../methods/task.ts';

/** Data that cells of a benchmark draw from: features, whether they were encoded here or brought. */
export interface BenchSource {
  readonly name: string;
  readonly encoder: string;
  /** Decides, with a cell's settings, whether a finished cell is this one. */
  readonly fingerprint: string;
  readonly classes: readonly string[];
  readonly dimension: number;
  readonly head?: TextHead;
  readonly defaults: CacheDefaults;
  /** Most examples that every class has; draws beyond are smaller than asked, or not there. */
  readonly shots: readonly number[];
  /** Whether a seed draws other examples; dumps have one draw for each number of shots. */
  readonly seeded: boolean;
  draw(shots: number, seed: number): Support | undefined;
  readonly val?: LabelledRows;
  /** The rows that are reported, for a draw; `how` says which they are. */
  judged(support: Support): LabelledRows;
  readonly how: string;
}

/** Opens a folder of features, or pictures, which are encoded. Throws `DataError` where there is nothing to judge by. */
export async function openSource(
  path: string,
  options: { encoder: string; shots: readonly number[]; signal?: AbortSignal; note?(line: string): void },
): Promise<BenchSource> {
  const folder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  return folder && (await isFeatureDump(path)) ? fromDump(path, options.shots) : fromPictures(path, options);
}

async function fromDump(path: string, wanted: readonly number[]): Promise<BenchSource> {
  const dump = await readFeatureDump(path);
  const { name, encoder, classes, dimension, draws, text } = dump;
  const head = text && {
    weights: unitRows(text),
    promptFeatures: text,
    promptClass: Int32Array.from({ length: classes.length }, (_, c) => c),
    logitScale: 100,
  };
  const judged = dump.test ?? dump.val;
  const largest = Math.max(...draws.keys());
  return {
    name,
    encoder,
    fingerprint: hash(dump.hashes),
    classes,
    dimension,
    head,
    defaults: CLIP_DEFAULTS,
    shots: wanted.filter((k) => draws.has(k) && (judged !== undefined || k < largest)),
    seeded: false,
    draw: (shots) => {
      const rows = draws.get(shots);
      return rows && plainSupport(rows.features, rows.labels);
    },
    // Rows that are reported are not for tuning too.
    val: dump.test ? dump.val : undefined,
    judged: judged ? () => judged : (support) => others(draws.get(largest) as LabelledRows, support),
    how: dump.test
      ? 'test rows'
      : dump.val
        ? 'validation rows (there is no test split; nothing is tuned on them unless a protocol says so)'
        : `rows of the ${largest}-shot draw that are not nearly equal to one of the examples`,
  };
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

async function fromPictures(
  path: string,
  { encoder, shots, signal, note }: Parameters<typeof openSource>[1],
): Promise<BenchSource> {
  const dataset = splitDataset(await readDataset(path, { signal }), { testFraction: 'auto', seed: 1 });
  const fitted = await fit(dataset, {
    encoder,
    method: 'prototype',
    tune: 'fixed',
    thumbnails: false,
    signal,
    note,
  });
  const test = await fitted.encodeTestSet(dataset, { signal });
  await fitted.close();
  const { support, head, examples, classes, encoder: from } = fitted.data;
  const { labels, groups } = support;
  const judged = { features: test.features, labels: Int32Array.from(test.truth, ({ label }) => label) };
  if (judged.labels.length === 0)
    throw new DataError(`${dataset.name} has no test pictures`, { code: 'bench/no-test' });
  const counts = classes.map((_, c) => labels.filter((label) => label === c).length);
  return {
    name: dataset.name,
    encoder: from.id,
    fingerprint: hash([
      from.fingerprint,
      ...examples.map(({ sha256 }) => sha256),
      ...test.truth.map(({ id }) => id),
    ]),
    classes: classes.map(({ name }) => name),
    dimension: from.dimension,
    head,
    defaults: await defaultsOf(from.id),
    shots: shots.filter((k) => k <= Math.max(...counts)),
    seeded: true,
    draw: (k, seed) =>
      selectExamples(
        support,
        sampleFewShot({ labels, groups: Array.from(groups, String) }, { shots: k, seed }),
      ),
    judged: () => judged,
    how: 'test pictures',
  };
}

async function defaultsOf(id: string): Promise<CacheDefaults> {
  const { findEncoder } = await import('../encoder/local.ts');
  return (await findEncoder(id))?.record.defaults ?? CLIP_DEFAULTS;
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}
