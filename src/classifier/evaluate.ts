import { inTurns } from '../abort.ts';
import { argmax, type Matrix, row } from '../math/matrix.ts';
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
import { checkTestSet, type TestSet } from './test-set.ts';
import type { ClassifierData, Evaluation, Prediction, Suspect } from './types.ts';

/** The parts of a classifier that `evaluate` uses. */
interface Evaluable {
  readonly data: ClassifierData;
  probabilities(features: Matrix, signal?: AbortSignal): Promise<Matrix>;
  prediction(image: string, probabilities: Float32Array): Prediction;
}

/** Accuracy, calibration and confusion on labelled pictures. Throws `UsageError` for a test set of another classifier. */
export async function evaluate(
  classifier: Evaluable,
  set: TestSet,
  signal?: AbortSignal,
): Promise<Omit<Evaluation, 'seconds'>> {
  checkTestSet(classifier.data, set);
  const { features, truth, unknownFeatures, excluded, failures, findings } = set;
  const probabilities = await classifier.probabilities(features, signal);
  const others = await classifier.probabilities(unknownFeatures, signal);
  const unknown =
    unknownFeatures.rows > 0 ? { pictures: others.rows, auroc: rejection(probabilities, others) } : undefined;
  const measures = await inTurns(measure(classifier, probabilities, truth), signal);
  return { ...measures, unknown, excluded, failures, findings };
}

/** AUROC of the largest probability for separating pictures of known and unknown classes. */
function rejection(known: Matrix, others: Matrix): number {
  const sure = [known, others].flatMap((p) =>
    Array.from({ length: p.rows }, (_, i) => Math.max(...row(p, i))),
  );
  return auroc(
    sure,
    sure.map((_, i) => i < known.rows),
  );
}

/** The measures that need only probabilities [n, c] and true classes, as interruptible work. */
function* measure(
  { data, prediction }: Evaluable,
  probabilities: Matrix,
  truth: TestSet['truth'],
): Generator<undefined, Omit<Evaluation, 'excluded' | 'failures' | 'findings' | 'seconds' | 'unknown'>> {
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
    suspects: suspects(data, probabilities, truth),
    predictions,
  };
}

/** Pictures whose label is probably wrong. The smallest probability of the label comes first. */
function suspects({ classes }: ClassifierData, probabilities: Matrix, truth: TestSet['truth']): Suspect[] {
  return truth
    .flatMap(({ id, label }, i) => {
      const p = row(probabilities, i);
      const best = argmax(p);
      if (best === label) return [];
      const names = { image: id, label: classes[label]!.name, predicted: classes[best]!.name };
      return [{ ...names, labelProbability: p[label]!, predictedProbability: p[best]! }];
    })
    .sort(
      (a, b) => b.predictedProbability - b.labelProbability - (a.predictedProbability - a.labelProbability),
    );
}
