import { inTurns } from '../abort.ts';
import { checkSource } from '../dataset/check-source.ts';
import { matchClasses } from '../dataset/classes.ts';
import { dumpClasses, isFeatureDump, readFeatureDump } from '../dataset/feature-dump.ts';
import { quoted } from '../dataset/findings.ts';
import { readDataset } from '../dataset/read.ts';
import type { Dataset, Example, Finding, Split } from '../dataset/types.ts';
import { DataError, UsageError } from '../errors.ts';
import { type Matrix, selectRows } from '../math/matrix.ts';
import { count, plural } from '../words.ts';
import { featuresOf } from './encoder-reference.ts';
import type { EncoderSession } from './encoder-session.ts';
import { fineTunedOn, fineTunedTestFindings, perhapsFineTuned } from './fine-tuned-on.ts';
import { emptiedClasses } from './fit-findings.ts';
import { readSource } from './image-source.ts';
import { roundedInPieces, rowHashes } from './rounding.ts';
import { summarisedFindings } from './summary-changes.ts';
import type { ClassifierData, Failure, ImageSource, WorkOptions } from './types.ts';
import { unencoded, unlisted } from './unread.ts';

/** Options of `evaluate` and `encodeTestSet`. */
export interface EvaluateOptions extends WorkOptions {
  /** The split to test on. Default: `test` if there is one, else every labelled picture. */
  split?: Split;
  /**
   * Also look for wrong labels among the pictures that are examples of the classifier, by classifiers that have not learnt from them. If
   * all pictures are examples, the figures are about these answers.
   */
  suspects?: boolean;
  /** Pictures of no class of the classifier, which measure how well such pictures are rejected. */
  unknown?: readonly ImageSource[];
}

/** Encoded pictures with a classifier's class numbers. Classifiers with the same encoder and classes can be evaluated on them. */
export interface TestSet {
  /** Fingerprint of the encoder, and ids of the classifier's classes. A classifier to evaluate must have the same. */
  readonly encoder: string;
  readonly classes: readonly string[];
  /** Features as the encoder returns them, [n, d]. */
  readonly features: Matrix;
  /** For each row: the picture's id, its sha256 as in `SupportExample`, and its true class as an index of `classes`. */
  readonly truth: readonly { readonly id: string; readonly sha256: string; readonly label: number }[];
  /** Features of pictures of unknown classes, [u, d]. */
  readonly unknownFeatures: Matrix;
  /** Ids of the pictures that are not among the rows, because the classifier or its encoder has learnt from them. */
  readonly excluded: readonly string[];
  /** The pictures that are examples of the classifier, which are not among the rows. */
  readonly own: TestSet['truth'];
  readonly failures: readonly Failure[];
  readonly findings: readonly Finding[];
}

/**
 * Encodes labelled pictures for evaluation. The classifier's own examples are left out and counted. Classes are matched by name.
 * Pictures of unknown classes only measure how well the classifier rejects them. Throws `DataError` if no picture is left.
 */
export async function encodeTestSet(
  data: ClassifierData,
  session: EncoderSession,
  source: string | Dataset,
  { split, suspects, unknown = [], signal, onProgress }: EvaluateOptions = {},
): Promise<TestSet> {
  if (typeof source === 'string' && (await isFeatureDump(source)))
    return featureTestSet(data, source, { split, suspects, unknown, signal });
  checkSource(source);
  const dataset = typeof source === 'string' ? await readDataset(source, { signal }) : source;
  const { examples, unknownExamples, names, findings } = testExamples(data, dataset, split);
  const { seed, exif } = data;
  const all = [...examples, ...unknownExamples, ...unknown.map(readSource)];
  const encoded = await session.encode(all, { views: [0], seed, exif, signal, onProgress });
  const readable = all.filter((_, i) => !encoded.failed.has(i));
  const known = examples.filter((_, i) => !encoded.failed.has(i)).length;
  const own = new Set(data.examples.map(({ sha256 }) => sha256));
  const taught = fineTunedOn(await session.encoder());
  const isLearnt = (i: number) => own.has(encoded.hashes[i]!) || taught.has(encoded.hashes[i]!);
  const unseen = [...readable.keys()].filter((i) => !isLearnt(i));
  const kept = unseen.filter((i) => i < known);
  const excluded = [...readable.keys()].filter((i) => i < known && isLearnt(i));
  const examplesOf = excluded.filter((i) => own.has(encoded.hashes[i]!));
  const fineTuned = [...readable.keys()].filter((i) => taught.has(encoded.hashes[i]!));
  if (kept.length === 0 && !(suspects && examplesOf.length > 0)) {
    const where = split ? `The split ${split} of ${dataset.name}` : dataset.name;
    const why =
      all.length === 0
        ? 'it has no labelled picture'
        : examples.length === 0
          ? NONE_KNOWN
          : known > 0
            ? fineTuned.length > 0
              ? 'the classifier or its encoder has learnt from all its pictures'
              : `${plural(known, 'its only picture is an example', 'all its pictures are examples')} of the classifier`
            : 'none of its pictures could be read';
    throw new DataError(`${where} cannot be used to evaluate the classifier: ${why}`, {
      code: 'eval/nothing',
      hint:
        known > 0
          ? OWN_HINT
          : unknownExamples.length > 0
            ? otherClassesHint(data, names)
            : 'Give labelled pictures that the classifier was not fitted to.',
      details: { examples: examples.length, own: known, unreadable: encoded.failures.length },
    });
  }
  const truthOf = (i: number) => {
    const { id, label } = readable[i] as Example;
    return { id, label, sha256: encoded.hashes[i]! };
  };
  return {
    ...testedOn(data),
    // With one view of each picture, row i of the features is readable picture i.
    features: selectRows(encoded.features, kept),
    truth: kept.map(truthOf),
    own: examplesOf.map(truthOf),
    unknownFeatures: selectRows(
      encoded.features,
      unseen.filter((i) => i >= known),
    ),
    excluded: excluded.map((i) => readable[i]!.id),
    failures: [
      ...unlisted(dataset, (one) => (wantedSplit(dataset, split) ?? one) === one),
      ...unencoded(encoded.failures),
    ],
    findings: [
      ...dataset.findings,
      ...findings,
      ...summarisedFindings(data),
      ...fineTunedTestFindings(
        fineTuned.map((i) => readable[i]!.id),
        suspects ? examplesOf.filter((i) => taught.has(encoded.hashes[i]!)).length : 0,
      ),
      ...emptiedClasses(data.classes, examples, readable.slice(0, known) as Example[], {
        code: 'eval/emptied-class',
        consequence: 'the figures do not cover such a class',
      }),
    ],
  };
}

const NONE_KNOWN = 'the classifier knows none of its classes';

function otherClassesHint({ classes }: ClassifierData, given: readonly string[]): string {
  const known = quoted(classes.map(({ name }) => name));
  return `The classifier knows ${known}, and the data have ${quoted(given)}. Give data of the classifier's classes, or name the classes alike.`;
}

const OWN_HINT =
  'Give labelled pictures that the classifier was not fitted to. To look for wrong labels among its examples, use --suspects (in a program, the option suspects).';

/** A test set from a folder of features. Throws `DataError` if it lacks the split, and `ModelError` for another encoder's features. */
async function featureTestSet(
  data: ClassifierData,
  folder: string,
  { split, suspects, unknown: pictures = [], signal }: EvaluateOptions,
): Promise<TestSet> {
  if (pictures.length > 0) {
    throw new UsageError('Option unknown takes pictures, and the classifier is evaluated on features', {
      code: 'eval/unknown',
      hint: 'Put rows of further classes into the folder of features.',
    });
  }
  const dump = featuresOf(data.encoder, await readFeatureDump(folder, { signal }), folder);
  const name = split ?? (dump.test ? 'test' : 'val');
  const rows = name === 'train' ? undefined : dump[name];
  if (!rows) {
    throw new DataError(`${dump.name} has no features of the split ${name}`, {
      code: 'eval/nothing',
      hint: 'Give another split, or a folder that holds its features.',
    });
  }
  const { toB } = matchClasses(dumpClasses(dump), data.classes);
  // The reader has checked that a label is one of the folder's classes.
  const labels = rows.labels.map((label) => toB[label]!);
  const known = [...labels.keys()].filter((i) => labels[i]! >= 0);
  const unknownRows = [...labels.keys()].filter((i) => labels[i]! < 0);
  const own = new Set(data.examples.map(({ sha256 }) => sha256));
  const half = await inTurns(roundedInPieces(rows.features, 'half'), signal);
  const hashes = await inTurns(rowHashes(half), signal);
  const kept = known.filter((i) => !own.has(hashes[i]!));
  const excluded = known.filter((i) => own.has(hashes[i]!));
  const unknown = dump.classes.filter((_, c) => toB[c]! < 0 && rows.labels.includes(c));
  if (kept.length === 0 && !(suspects && excluded.length > 0)) {
    const why = known.length > 0 ? 'all its rows are examples of the classifier' : NONE_KNOWN;
    throw new DataError(`The split ${name} of ${dump.name} cannot test the classifier: ${why}`, {
      code: 'eval/nothing',
      hint:
        unknown.length > 0 && known.length === 0
          ? otherClassesHint(data, unknown)
          : 'Give features that the classifier was not fitted to.',
    });
  }
  const nameOf = (i: number) => `${name} row ${i}`;
  const truthOf = (i: number) => ({ id: nameOf(i), label: labels[i]!, sha256: hashes[i]! });
  return {
    ...testedOn(data),
    features: selectRows(rows.features, kept),
    truth: kept.map(truthOf),
    own: excluded.map(truthOf),
    unknownFeatures: selectRows(rows.features, unknownRows),
    excluded: excluded.map(nameOf),
    failures: [],
    findings: [
      ...summarisedFindings(data),
      ...perhapsFineTuned(data.encoder),
      ...unknownClasses(unknown, unknownRows.length),
    ],
  };
}

function testedOn({ encoder, classes }: ClassifierData): Pick<TestSet, 'encoder' | 'classes'> {
  return { encoder: encoder.fingerprint, classes: classes.map(({ id }) => id) };
}

/** Throws `UsageError` for a test set of another encoder or other classes, or with the classifier's own examples. */
export function checkTestSet(data: ClassifierData, set: TestSet): void {
  const { encoder, classes } = testedOn(data);
  const own = new Set(data.examples.map(({ sha256 }) => sha256));
  const learnt = set.truth.filter(({ sha256 }) => own.has(sha256)).length;
  const isSame = set.classes.length === classes.length && set.classes.every((id, c) => id === classes[c]);
  const why =
    set.encoder !== encoder
      ? 'it was encoded with another encoder'
      : !isSame
        ? 'it was encoded for other classes'
        : learnt > 0
          ? `${count(learnt, 'picture')} of it ${plural(learnt, 'is an example', 'are examples')} of the classifier`
          : undefined;
  if (why === undefined) return;
  throw new UsageError(`The test set cannot be used to evaluate the classifier: ${why}`, {
    code: 'eval/other-classifier',
    hint: 'Encode it with this classifier: encodeTestSet.',
    details: { encoder: set.encoder, classes: set.classes, learnt },
  });
}

/** Labelled pictures of the split, with the classifier's class numbers. */
function testExamples(
  { classes }: ClassifierData,
  dataset: Dataset,
  split?: Split,
): { examples: Example[]; unknownExamples: Example[]; names: string[]; findings: Finding[] } {
  const wanted = wantedSplit(dataset, split);
  const labelled = dataset.examples.filter(
    (example) => example.label >= 0 && (wanted === undefined || example.split === wanted),
  );
  const { toB } = matchClasses(dataset.classes, [...classes]);
  const examples = labelled.flatMap((example) =>
    toB[example.label]! >= 0 ? [{ ...example, label: toB[example.label]! }] : [],
  );
  const there = new Set(labelled.map(({ label }) => label));
  const unknown = dataset.classes.filter((_, c) => toB[c]! < 0 && there.has(c));
  const names = unknown.map(({ name }) => name);
  const unknownExamples = labelled.filter(({ label }) => toB[label]! < 0);
  return { examples, unknownExamples, names, findings: unknownClasses(names, unknownExamples.length) };
}

function wantedSplit({ examples }: Dataset, split?: Split): Split | undefined {
  return split ?? (examples.some((example) => example.split === 'test') ? 'test' : undefined);
}

function unknownClasses(names: readonly string[], pictures: number): Finding[] {
  if (names.length === 0) return [];
  const message = `${count(pictures, 'picture')} of ${count(names.length, 'class', 'classes')} that the classifier does not know ${plural(pictures, 'is', 'are')} not part of the accuracy and ${plural(pictures, 'measures', 'measure')} only how well unknown pictures are recognised as such`;
  return [{ level: 'warning', code: 'eval/unknown-classes', message, paths: [...names] }];
}
