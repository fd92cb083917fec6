import { readSource } from '../classifier/image-source.ts';
import { predictionOf } from '../classifier/prediction.ts';
import type { Abortable, Failure, ImageSource, Prediction } from '../classifier/types.ts';
import { type Matrix, row } from '../math/matrix.ts';
import { traced } from '../tracing.ts';
import type { Ready } from './model.ts';
import type { Samples } from './samples.ts';

export interface AnswerOptions extends Abortable {
  /** Rejection threshold, in place of the classifier's own. */
  readonly reject?: number;
  /** Saves a share of the pictures. */
  readonly samples?: Samples;
}

/** Answers to embeddings or to the pictures that can be read, with their probabilities [n, c]. */
interface Answered {
  readonly predictions: readonly Prediction[];
  readonly probabilities: Matrix;
}

/** Answers to embeddings [n, d], which are counted in the metrics. `names` are the names of the pictures. */
export async function answerFeatures(
  { classifier, watch }: Ready,
  features: Matrix,
  names: readonly string[],
  { reject, signal }: AnswerOptions,
): Promise<Answered> {
  const scored = { 'tip_adapter.pictures': features.rows };
  const probabilities = await traced('score', scored, () => classifier.probabilities(features, { signal }));
  const predictions = names.map((name, i) => {
    const prediction = predictionOf(classifier.data, name, row(probabilities, i), reject);
    watch(prediction, row(features, i));
    return prediction;
  });
  return { predictions, probabilities };
}

/** Answers to pictures, in order; a picture that cannot be read has a failure. */
export async function answerPictures(
  ready: Ready,
  images: readonly ImageSource[],
  options: AnswerOptions,
): Promise<{ answers: (Prediction | Failure)[]; probabilities: Matrix }> {
  const { name: model, classifier, session, hash } = ready;
  const { exif, seed, version } = classifier.data;
  const { samples, signal } = options;
  const { features, rows, failures } = await session.encode(images, { views: [0], seed, exif, signal });
  const names = rows.map(({ item }) => readSource(images[item]!).id);
  const { predictions, probabilities } = await answerFeatures(ready, features, names, options);
  const answers: (Prediction | Failure)[] = [];
  predictions.forEach((prediction, i) => {
    const { item } = rows[i]!;
    answers[item] = prediction;
    samples?.offer(images[item]!, { model, version, hash, prediction });
  });
  for (const { item, id, error } of failures) answers[item] = { image: id, error };
  return { answers, probabilities };
}
