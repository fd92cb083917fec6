import { inTurns } from '../abort.ts';
import { matchClasses } from '../dataset/classes.ts';
import { dumpClasses, isFeatureDump, readFeatureDump } from '../dataset/feature-dump.ts';
import { readDataset } from '../dataset/read.ts';
import { splitNamed } from '../dataset/splits.ts';
import type { Dataset, Example, Finding, Split } from '../dataset/types.ts';
import { DataError } from '../errors.ts';
import { argmax, type Matrix, row, selectRows } from '../math/matrix.ts';
import {
  auroc,
  brierScore,
  conformalHalves,
  confusionMatrix,
  expectedCalibrationError,
  negativeLogLikelihood,
  perClass,
  wilsonInterval,
} from '../metrics/index.ts';
import { isCalibrated } from '../tuning/search-method.ts';
import { count, plural } from '../words.ts';
import { emptiedClasses } from './emptied.ts';
import { featuresOf } from './encoder-reference.ts';
import type { EncoderSession } from './encoder-session.ts';
import { roundedInPieces, rowHashes } from './support.ts';
import type { ClassifierData, Evaluation, Failure, Prediction, Suspect, WorkOptions } from './types.ts';

/** What a classifier is tested on. */
export interface EvaluateOptions extends WorkOptions {
  /** Which split; default: `test` where there is one, else everything labelled. */
  split?: Split;
}

/** What evaluating needs of a classifier. */
interface Evaluable {
  readonly data: ClassifierData;
  probabilities(features: Matrix, signal?: AbortSignal): Promise<Matrix>;
  prediction(image: string, probabilities: Float32Array): Prediction;
}

/** Labelled pictures, encoded and matched with a classifier's classes: several classifiers can be tested on them. */
export interface TestSet {
  /** Embeddings as the encoder gives them, [n, d]. */
  readonly features: Matrix;
  /** Picture and true class of each row, in the classifier's numbering. */
  readonly truth: readonly { readonly id: string; readonly label: number }[];
  /** Embeddings of pictures of unknown classes. */
  readonly unknownFeatures: Matrix;
  readonly excluded: readonly string[];
  readonly failures: readonly Failure[];
  readonly findings: readonly Finding[];
}

/**
 * Encodes labelled pictures to test on. Pictures that are the classifier's own examples are left out and counted; classes
 * are matched by name; pictures of unknown classes measure only how well it recognises them as such. Throws `DataError` where nothing
 * is left.
 */
export async function encodeTestSet(
  data: ClassifierData,
  session: EncoderSession,
  source: string | Dataset,
  { split, signal, onProgress }: EvaluateOptions = {},
): Promise<TestSet> {
  if (typeof source === 'string' && (await isFeatureDump(source)))
    return featureTestSet(data, source, { split, signal });
  const dataset = typeof source === 'string' ? await readDataset(source, { signal }) : source;
  const { examples, unknownExamples, findings } = testExamples(data, dataset, split);
  const { seed, exif } = data;
  const all = [...examples, ...unknownExamples];
  const encoded = await session.encode(all, { views: [0], seed, exif, signal, onProgress });
  const readable = all.filter((_, i) => !encoded.failed.has(i));
  const known = examples.filter((_, i) => !encoded.failed.has(i)).length;
  const own = new Set(data.examples.map(({ sha256 }) => sha256));
  const unseen = [...readable.keys()].filter((i) => !own.has(encoded.hashes[i]));
  const kept = unseen.filter((i) => i < known);
  if (kept.length === 0) {
    const where = split ? `The split ${split} of ${dataset.name}` : dataset.name;
    const why =
      all.length === 0
        ? 'it has no labelled picture'
        : examples.length === 0
          ? 'the classifier knows none of its classes'
          : known > 0
            ? `${plural(known, 'its only picture is an example', 'all its pictures are examples')} of the classifier`
            : 'none of its pictures could be read';
    throw new DataError(`${where} cannot be used to evaluate the classifier: ${why}`, {
      code: 'eval/nothing',
      hint: 'Give labelled pictures that the classifier was not fitted to.',
      details: { examples: examples.length, own: known, unreadable: encoded.failures.length },
    });
  }
  return {
    // One view each: row i of the features is readable picture i.
    features: selectRows(encoded.features, kept),
    truth: kept.map((i) => ({ id: readable[i].id, label: readable[i].label })),
    unknownFeatures: selectRows(
      encoded.features,
      unseen.filter((i) => i >= known),
    ),
    excluded: [...readable.keys()]
      .filter((i) => i < known && own.has(encoded.hashes[i]))
      .map((i) => readable[i].id),
    failures: [
      ...unlisted(dataset, wantedSplit(dataset, split)),
      ...encoded.failures.map(({ id, error }) => ({ image: id, error })),
    ],
    findings: [
      ...dataset.findings,
      ...findings,
      ...emptiedClasses(data.classes, examples, readable.slice(0, known), {
        code: 'eval/emptied-class',
        consequence: 'the figures do not cover such a class',
      }),
    ],
  };
}

/** Rows of a folder of features, as a test set. Throws `DataError` where the split is not there, `ModelError` for other features. */
async function featureTestSet(
  data: ClassifierData,
  folder: string,
  { split, signal }: EvaluateOptions,
): Promise<TestSet> {
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
  const [known, unknownRows] = [true, false].map((isKnown) =>
    [...rows.labels.keys()].filter((i) => toB[rows.labels[i]] >= 0 === isKnown),
  );
  const own = new Set(data.examples.map(({ sha256 }) => sha256));
  const half = await inTurns(roundedInPieces(rows.features, 'half'), signal);
  const hashes = await inTurns(rowHashes(half), signal);
  const kept = known.filter((i) => !own.has(hashes[i]));
  if (kept.length === 0) {
    const why =
      known.length > 0
        ? 'all its rows are examples of the classifier'
        : 'the classifier knows none of its classes';
    throw new DataError(`The split ${name} of ${dump.name} cannot test the classifier: ${why}`, {
      code: 'eval/nothing',
      hint: 'Give features that the classifier was not fitted to.',
    });
  }
  const nameOf = (i: number) => `${name} row ${i}`;
  const unknown = dump.classes.filter((_, c) => toB[c] < 0 && rows.labels.includes(c));
  return {
    features: selectRows(rows.features, kept),
    truth: kept.map((i) => ({ id: nameOf(i), label: toB[rows.labels[i]] })),
    unknownFeatures: selectRows(rows.features, unknownRows),
    excluded: known.filter((i) => own.has(hashes[i])).map(nameOf),
    failures: [],
    findings: unknownClasses(unknown, unknownRows.length),
  };
}

/** Accuracy, calibration and confusion on labelled pictures. */
export async function evaluate(
  classifier: Evaluable,
  { features, truth, unknownFeatures, ...rest }: TestSet,
  signal?: AbortSignal,
): Promise<Omit<Evaluation, 'seconds'>> {
  const probabilities = await classifier.probabilities(features, signal);
  const others = await classifier.probabilities(unknownFeatures, signal);
  const unknown =
    unknownFeatures.rows > 0 ? { pictures: others.rows, auroc: rejection(probabilities, others) } : undefined;
  const measures = await inTurns(measure(classifier, probabilities, truth), signal);
  return { ...measures, unknown, ...rest };
}

/** How well the largest probability tells pictures of known classes from others. */
function rejection(known: Matrix, others: Matrix): number {
  const sure = [known, others].flatMap((p) =>
    Array.from({ length: p.rows }, (_, i) => Math.max(...row(p, i))),
  );
  return auroc(
    sure,
    sure.map((_, i) => i < known.rows),
  );
}

/** Labelled pictures of the split, with the classifier's class numbers. */
function testExamples(
  { classes }: ClassifierData,
  dataset: Dataset,
  split?: Split,
): { examples: Example[]; unknownExamples: Example[]; findings: Finding[] } {
  const wanted = wantedSplit(dataset, split);
  const labelled = dataset.examples.filter(
    (example) => example.label >= 0 && (wanted === undefined || example.split === wanted),
  );
  const { toB } = matchClasses(dataset.classes, [...classes]);
  const examples = labelled.flatMap((example) =>
    toB[example.label] >= 0 ? [{ ...example, label: toB[example.label] }] : [],
  );
  const there = new Set(labelled.map(({ label }) => label));
  const unknown = dataset.classes.filter((_, c) => toB[c] < 0 && there.has(c));
  const names = unknown.map(({ name }) => name);
  const unknownExamples = labelled.filter(({ label }) => toB[label] < 0);
  return { examples, unknownExamples, findings: unknownClasses(names, unknownExamples.length) };
}

function wantedSplit({ examples }: Dataset, split?: Split): Split | undefined {
  return split ?? (examples.some((example) => example.split === 'test') ? 'test' : undefined);
}

/** Files and folders of the split, or of all of them, that could not be read when the data set was listed: what is in them is not evaluated. */
function unlisted({ unreadable = [] }: Dataset, wanted?: Split): Failure[] {
  const isWanted = (folder: string) => wanted === undefined || (splitNamed(folder) ?? wanted) === wanted;
  return unreadable
    .filter((path) => path.split('/').every(isWanted))
    .map((image) => ({
      image,
      error: new DataError(`${image} cannot be read`, {
        code: 'eval/unlisted',
        hint: 'Check permissions and links.',
        details: { path: image },
      }),
    }));
}

function unknownClasses(names: readonly string[], pictures: number): Finding[] {
  if (names.length === 0) return [];
  const message = `${count(pictures, 'picture')} of ${count(names.length, 'class', 'classes')} that the classifier does not know ${plural(pictures, 'is', 'are')} not part of the accuracy and ${plural(pictures, 'measures', 'measure')} only how well unknown pictures are recognised as such`;
  return [{ level: 'warning', code: 'eval/unknown-classes', message, paths: [...names] }];
}

/** The measures that follow from probabilities [n, c] and true classes alone, in pieces. */
function* measure(
  { data, prediction }: Evaluable,
  probabilities: Matrix,
  truth: readonly { id: string; label: number }[],
): Generator<undefined, Omit<Evaluation, 'excluded' | 'failures' | 'findings' | 'seconds' | 'unknown'>> {
  const { classes, encoder, method, tuning, seed } = data;
  const labels = truth.map(({ label }) => label);
  const predicted = truth.map((_, i) => argmax(row(probabilities, i)));
  const correct = predicted.filter((c, i) => c === labels[i]).length;
  const total = truth.length;
  const predictions: Evaluation['predictions'][number][] = [];
  for (const [i, { id, label }] of truth.entries()) {
    const { id: own, name } = classes[label];
    predictions.push({ ...prediction(id, row(probabilities, i)), label: own, labelName: name });
    yield;
  }
  return {
    calibrated: isCalibrated(tuning),
    accuracy: correct / total,
    correct,
    total,
    interval: wilsonInterval(correct, total),
    perClass: perClass(predicted, labels, classes.length).map((counts, c) => ({
      id: classes[c].id,
      name: classes[c].name,
      ...counts,
    })),
    classes: classes.map(({ id }) => id),
    confusion: confusionMatrix(predicted, labels, classes.length),
    nll: negativeLogLikelihood(probabilities, labels),
    ece: expectedCalibrationError(probabilities, labels),
    brier: brierScore(probabilities, labels),
    conformal: conformalHalves(probabilities, labels),
    encoder: encoder.id,
    method,
    protocol: tuning.protocol,
    seed,
    suspects: suspects(data, probabilities, truth),
    predictions,
  };
}

/** Pictures whose label the classifier does not believe, the least believed first. */
function suspects(
  { classes }: ClassifierData,
  probabilities: Matrix,
  truth: readonly { id: string; label: number }[],
): Suspect[] {
  return truth
    .flatMap(({ id, label }, i) => {
      const p = row(probabilities, i);
      const best = argmax(p);
      if (best === label) return [];
      const names = { image: id, label: classes[label].name, predicted: classes[best].name };
      return [{ ...names, labelProbability: p[label], predictedProbability: p[best] }];
    })
    .sort(
      (a, b) => b.predictedProbability - b.labelProbability - (a.predictedProbability - a.labelProbability),
    );
}
