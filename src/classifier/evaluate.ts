import { inTurns } from '../abort.ts';
import { DataError } from '../errors.ts';
import { argmax, type Matrix, matrix, row } from '../math/matrix.ts';
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
import { thresholdPoints } from '../metrics/thresholds.ts';
import { isCalibrated } from '../tuning/calibrated.ts';
import type { LeftOutAnswers } from './left-out.ts';
import { answersFor, type LabelledAnswer, suspectsAmong } from './suspects.ts';
import { checkTestSet, type TestSet } from './test-set.ts';
import type { ClassifierData, Evaluation, Prediction } from './types.ts';

/** The parts of a classifier that `evaluate` uses. */
interface Evaluable {
  readonly data: ClassifierData;
  probabilities(features: Matrix, signal?: AbortSignal): Promise<Matrix>;
  prediction(image: string, probabilities: Float32Array): Prediction;
  /** The answers to its own examples, if these are looked at. */
  leftOut?(): Promise<LeftOutAnswers | undefined>;
}

/** Accuracy, calibration and confusion on labelled pictures. Throws `UsageError` for a test set of another classifier. */
export async function evaluate(
  classifier: Evaluable,
  set: TestSet,
  signal?: AbortSignal,
): Promise<Omit<Evaluation, 'seconds'>> {
  checkTestSet(classifier.data, set);
  const { features, unknownFeatures, excluded, failures, findings } = set;
  const leftOut = set.own.length > 0 ? await classifier.leftOut?.() : undefined;
  const own = leftOut ? answersFor(classifier.data, leftOut, set.own) : [];
  const isOwn = set.truth.length === 0;
  if (isOwn && own.length === 0) throw noneLeftOut();
  const truth = isOwn ? own : set.truth;
  const probabilities = isOwn
    ? stacked(own, classifier.data.classes.length)
    : await classifier.probabilities(features, signal);
  const others = await classifier.probabilities(unknownFeatures, signal);
  const sure = confidences(others);
  const unknown =
    sure.length > 0
      ? { pictures: sure.length, auroc: rejection(confidences(probabilities), sure) }
      : undefined;
  const measures = await inTurns(measure(classifier, probabilities, truth), signal);
  const answers = set.truth.map(({ id, label }, i): LabelledAnswer => {
    return { id, label, probabilities: row(probabilities, i), leftOut: false };
  });
  const answered = new Set(own.map(({ id }) => id));
  return {
    ...measures,
    suspects: suspectsAmong(classifier.data, [...answers, ...own]),
    ...(isOwn && { leftOutFolds: leftOut!.folds }),
    thresholds: thresholdPoints(
      {
        known: confidences(probabilities).map((confidence, i) => {
          return { confidence, isRight: argmax(row(probabilities, i)) === truth[i]!.label };
        }),
        unknown: sure,
      },
      [classifier.data.reject],
    ),
    unknown,
    excluded: isOwn ? excluded.filter((id) => !answered.has(id)) : excluded,
    failures,
    findings,
  };
}

/** The answers as one matrix, [n, c]. */
function stacked(answers: readonly LabelledAnswer[], classes: number): Matrix {
  const all = matrix(answers.length, classes);
  answers.forEach(({ probabilities }, i) => {
    row(all, i).set(probabilities);
  });
  return all;
}

function noneLeftOut(): DataError {
  return new DataError('All pictures are examples of the classifier, and none of them can be left out', {
    code: 'eval/nothing',
    hint: 'A class needs two examples that are not near-duplicates. Give more pictures, or pictures that the classifier was not fitted to.',
  });
}

/** AUROC of the largest probability for separating pictures of known and unknown classes. */
function rejection(known: readonly number[], others: readonly number[]): number {
  const sure = [...known, ...others];
  return auroc(
    sure,
    sure.map((_, i) => i < known.length),
  );
}

/** The largest probability of each row. */
function confidences(probabilities: Matrix): number[] {
  return Array.from({ length: probabilities.rows }, (_, i) => Math.max(...row(probabilities, i)));
}

type Measures = Omit<
  Evaluation,
  'excluded' | 'failures' | 'findings' | 'leftOutFolds' | 'seconds' | 'suspects' | 'thresholds' | 'unknown'
>;

/** The measures that need only probabilities [n, c] and true classes, as interruptible work. */
function* measure(
  { data, prediction }: Evaluable,
  probabilities: Matrix,
  truth: readonly { readonly id: string; readonly label: number }[],
): Generator<undefined, Measures> {
  const { classes, encoder, method, tuning, seed } = data;
  const labels = truth.map(({ label }) => label);
  const predicted = truth.map((_, i) => argmax(row(probabilities, i)));
  const correct = predicted.filter((c, i) => c === labels[i]).length;
  const total = truth.length;
  const predictions: Evaluation['predictions'][number][] = [];
  for (const [i, { id, label }] of truth.entries()) {
    const { id: own, name } = classes[label]!;
    predictions.push({ ...prediction(id, row(probabilities, i)), label: own, labelName: name });
    yield;
  }
  return {
    calibrated: isCalibrated(tuning),
    ...(tuning.judgedClasses !== undefined && { judgedClasses: tuning.judgedClasses }),
    accuracy: correct / total,
    correct,
    total,
    interval: wilsonInterval(correct, total),
    perClass: perClass(predicted, labels, classes.length).map((counts, c) => {
      const { id, name } = classes[c]!;
      return { id, name, ...counts };
    }),
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
    predictions,
  };
}
