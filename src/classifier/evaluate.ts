import { matchClasses } from '../dataset/classes.ts';
import { dumpClasses, isFeatureDump, readFeatureDump } from '../dataset/feature-dump.ts';
import { readDataset } from '../dataset/read.ts';
import type { Dataset, Example, Finding, Split } from '../dataset/types.ts';
import { DataError, ModelError } from '../errors.ts';
import { argmax, type Matrix, row, selectRows } from '../math/matrix.ts';
import {
  confusionMatrix,
  expectedCalibrationError,
  negativeLogLikelihood,
  perClass,
  wilsonInterval,
} from '../metrics/index.ts';
import type { Runtime } from './runtime.ts';
import type { ClassifierData, Evaluation, Failure, Prediction, Suspect, WorkOptions } from './types.ts';

export interface EvaluateOptions extends WorkOptions {
  /** Which split; default: `test` where there is one, else everything labelled. */
  split?: Split;
}

/** What evaluating needs of a classifier. */
interface Judged {
  readonly data: ClassifierData;
  probabilities(features: Matrix, signal?: AbortSignal): Promise<Matrix>;
  prediction(image: string, probabilities: Float32Array): Prediction;
}

/** Labelled pictures, encoded and matched with a classifier's classes: several classifiers can be judged by them. */
export interface TestSet {
  /** Embeddings as the encoder gives them, [n, d]. */
  readonly features: Matrix;
  /** Picture and true class of each row, in the classifier's numbering. */
  readonly truth: readonly { readonly id: string; readonly label: number }[];
  readonly excluded: readonly string[];
  readonly failures: readonly Failure[];
  readonly findings: readonly Finding[];
}

/**
 * Encodes labelled pictures to judge by. Pictures that are the classifier's own examples are left out and counted; classes
 * are matched by name, and pictures of classes it does not know are left out and reported. Throws `DataError` where nothing
 * is left.
 */
export async function encodeTestSet(
  data: ClassifierData,
  runtime: Runtime,
  source: string | Dataset,
  { split, signal, onProgress }: EvaluateOptions = {},
): Promise<TestSet> {
  if (typeof source === 'string' && (await isFeatureDump(source))) return featureTestSet(data, source, split);
  const dataset = typeof source === 'string' ? await readDataset(source, { signal }) : source;
  const { examples, findings } = judgedExamples(data, dataset, split);
  const { seed, exif } = data;
  const encoded = await runtime.encode(examples, { views: [0], seed, exif, signal, onProgress });
  const readable = examples.filter((_, i) => !encoded.failed.has(i));
  const own = new Set(data.examples.map(({ sha256 }) => sha256));
  const kept = [...readable.keys()].filter((i) => !own.has(encoded.hashes[i]));
  if (kept.length === 0) {
    throw new DataError(`${dataset.name} has no picture to judge by`, {
      code: 'eval/nothing',
      hint: 'Give labelled pictures that the classifier has not been fitted to.',
      details: { examples: examples.length, own: readable.length, unreadable: encoded.failures.length },
    });
  }
  return {
    // One view each: row i of the features is readable picture i.
    features: selectRows(encoded.features, kept),
    truth: kept.map((i) => ({ id: readable[i].id, label: readable[i].label })),
    excluded: [...readable.keys()].filter((i) => own.has(encoded.hashes[i])).map((i) => readable[i].id),
    failures: encoded.failures.map(({ id, error }) => ({ image: id, error })),
    findings: [...dataset.findings, ...findings],
  };
}

/** Rows of a folder of features, as a test set. Throws `DataError` where the split is not there, `ModelError` for other features. */
async function featureTestSet(data: ClassifierData, folder: string, split?: Split): Promise<TestSet> {
  const dump = await readFeatureDump(folder);
  const { id, dimension } = data.encoder;
  if (dump.dimension !== dimension) {
    throw new ModelError(
      `${folder} holds features of ${dump.dimension} numbers; the classifier is for ${dimension} (${id})`,
      {
        code: 'classifier/other-encoder',
        hint: 'Features of two encoders do not mix.',
      },
    );
  }
  const name = split ?? (dump.test ? 'test' : 'val');
  const rows = name === 'train' ? undefined : dump[name];
  if (!rows) {
    throw new DataError(`${dump.name} has no ${name}.npy to judge by`, { code: 'eval/nothing' });
  }
  const { toB } = matchClasses(dumpClasses(dump), data.classes);
  const kept = [...rows.labels.keys()].filter((i) => toB[rows.labels[i]] >= 0);
  const unknown = dump.classes.filter((_, c) => toB[c] < 0 && rows.labels.includes(c));
  return {
    features: selectRows(rows.features, kept),
    truth: kept.map((i) => ({ id: `${name} row ${i}`, label: toB[rows.labels[i]] })),
    excluded: [],
    failures: [],
    findings: unknownClasses(unknown, rows.labels.length - kept.length),
  };
}

/** Accuracy, calibration and confusion on labelled pictures. */
export async function evaluate(
  classifier: Judged,
  { features, truth, ...rest }: TestSet,
  signal?: AbortSignal,
): Promise<Omit<Evaluation, 'seconds'>> {
  return { ...measure(classifier, await classifier.probabilities(features, signal), truth), ...rest };
}

/** Labelled pictures of the split, with the classifier's class numbers. */
function judgedExamples(
  { classes }: ClassifierData,
  dataset: Dataset,
  split?: Split,
): { examples: Example[]; findings: Finding[] } {
  const wanted = split ?? (dataset.examples.some((example) => example.split === 'test') ? 'test' : undefined);
  const labelled = dataset.examples.filter(
    (example) => example.label >= 0 && (wanted === undefined || example.split === wanted),
  );
  const { toB } = matchClasses(dataset.classes, [...classes]);
  const examples = labelled.flatMap((example) =>
    toB[example.label] >= 0 ? [{ ...example, label: toB[example.label] }] : [],
  );
  const unknown = dataset.classes.filter(
    (_, c) => toB[c] < 0 && labelled.some((example) => example.label === c),
  );
  const names = unknown.map(({ name }) => name);
  return { examples, findings: unknownClasses(names, labelled.length - examples.length) };
}

function unknownClasses(names: readonly string[], pictures: number): Finding[] {
  if (names.length === 0) return [];
  const message = `${pictures} pictures of ${names.length} classes that the classifier does not know are left out`;
  return [{ level: 'warning', code: 'eval/unknown-classes', message, paths: [...names] }];
}

/** The measures that follow from probabilities [n, c] and true classes alone. */
function measure(
  { data, prediction }: Judged,
  probabilities: Matrix,
  truth: readonly { id: string; label: number }[],
): Omit<Evaluation, 'excluded' | 'failures' | 'findings' | 'seconds'> {
  const { classes, encoder, method, tuning, seed } = data;
  const labels = truth.map(({ label }) => label);
  const predicted = truth.map((_, i) => argmax(row(probabilities, i)));
  const correct = predicted.filter((c, i) => c === labels[i]).length;
  const total = truth.length;
  return {
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
    encoder: encoder.id,
    method,
    protocol: tuning.protocol,
    seed,
    suspects: suspects(data, probabilities, truth),
    predictions: truth.map(({ id, label }, i) => ({
      ...prediction(id, row(probabilities, i)),
      label: classes[label].id,
      labelName: classes[label].name,
    })),
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
