import { type FeatureDump, type LabelledRows, readFeatureDump } from '../dataset/feature-dump.ts';
import { sampleFewShot } from '../dataset/few-shot.ts';
import type { Located } from '../dataset/locate.ts';
import { CLIP_DEFAULTS } from '../encoder/registry.ts';
import { DataError } from '../errors.ts';
import { dot, row, selectRows, unitRows } from '../math/matrix.ts';
import { plainSupport, type Support, selectExamples } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { hashOf } from '../store/checksum.ts';
import type { BenchSource, OpenOptions } from './bench-source.ts';

/** Opens a folder of features. Throws `DataError` if it cannot be read. */
export async function openFeatures(
  { path, name, known }: Located,
  { testOnly = false }: OpenOptions,
): Promise<BenchSource> {
  const dump = await readFeatureDump(path, { examples: !testOnly });
  const { encoder, classes, dimension, draws, train, findings } = dump;
  const test = dump.test ?? dump.val;
  const largest = Math.max(0, ...draws.keys());
  const tested = test ?? draws.get(largest);
  if (!tested)
    throw new DataError(`${dump.name} has no rows to test on`, {
      code: 'bench/no-test',
      hint: 'Put test.npy, with the class of every row, into the folder.',
    });
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
    // Without test rows, the rows of the largest draw that are not examples of the current draw are used.
    has: (shots) =>
      (draws.has(shots) || (train !== undefined && shots <= largest)) &&
      (test !== undefined || shots < largest),
    draw: (shots, seed) => drawOf(dump, shots, seed),
    // Reported rows are not used for tuning.
    val: dump.test ? dump.val : undefined,
    testRows: (support) => [{ on: '', ...(test ?? others(tested, support)) }],
    testsByDraw: test === undefined,
    how: dump.test
      ? 'test rows'
      : dump.val
        ? 'validation rows, because there is no test split (they are not used for tuning unless the protocol says so)'
        : `rows of the ${largest}-shot draw that are not nearly equal to one of the examples`,
    notes: findings,
  };
}

/** A draw by the seed from the training rows, or the given draw if there are none. */
function drawOf({ draws, train }: FeatureDump, shots: number, seed: number): Support | undefined {
  if (!train) {
    const rows = draws.get(shots);
    return rows && plainSupport(rows.features, rows.labels);
  }
  const drawn = sampleFewShot({ labels: train.labels }, { shots, seed });
  return selectExamples(plainSupport(train.features, train.labels), drawn);
}

/** Defaults for folders of features: those of OpenAI's CLIP, from which most such folders come. */
const LOGIT_SCALE = 100;

function headsOf({ text, prompts, classes }: FeatureDump): Pick<BenchSource, 'head' | 'plainHead'> {
  const plain = text && headFromPrompts(text, Int32Array.from(classes.keys()), classes.length, LOGIT_SCALE);
  if (!prompts) return { head: plain };
  const head = headFromPrompts(prompts.features, prompts.labels, classes.length, LOGIT_SCALE);
  return { head, plainHead: plain };
}

/** Cosine above which two rows are views of the same picture. Different pictures of a class have smaller cosines. */
const SAME = 0.97;

function others({ features, labels }: LabelledRows, support: Support): LabelledRows {
  const [rows, keys] = [unitRows(features), unitRows(support.features)];
  const kept = [...labels.keys()].filter((i) =>
    support.labels.every((label, k) => label !== labels[i] || dot(row(rows, i), row(keys, k)) < SAME),
  );
  return { features: selectRows(features, kept), labels: Int32Array.from(kept, (i) => labels[i]!) };
}

/** Sha256 (hex) of all numbers and names of a dump that affect its cells. */
function fingerprintOf({ encoder, classes, draws, train, val, test, text, prompts }: FeatureDump): string {
  const tables = { ...Object.fromEntries(draws), train, val, test, prompts };
  const pieces = Object.entries(tables).flatMap(([name, rows]) =>
    rows ? [`${name} ${rows.features.cols}`, rows.features.data, rows.labels] : [],
  );
  return hashOf(JSON.stringify({ encoder, classes }), ...pieces, ...(text ? ['text', text.data] : []));
}
