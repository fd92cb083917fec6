import type { z } from 'zod';
import type { Classifier } from '../classifier/classifier.ts';
import type { Explanation, Failure, ImageSource, Prediction } from '../classifier/types.ts';
import { countByClass } from '../methods/task.ts';
import { isCalibrated } from '../tuning/search-method.ts';
import type { Model } from './model.ts';
import { problemOf } from './problem.ts';
import type {
  changeSchema,
  examplesSchema,
  explanationSchema,
  modelSchema,
  predictionsSchema,
} from './schemas.ts';

/** The server's answers, made from the classifiers' answers. */

export function modelAnswer({ name, data, etag, problem }: Model): z.infer<typeof modelSchema> {
  const counts = countByClass(data.support.labels, data.classes.length);
  return {
    name,
    version: data.version,
    etag,
    classes: data.classes.map(({ id, name: shown }, c) => ({ id, name: shown, examples: counts[c]! })),
    examples: data.examples.length,
    method: data.method,
    calibrated: isCalibrated(data.tuning),
    encoder: data.encoder.id,
    reject: data.reject,
    created: data.created,
    problem: problem && problemOf(problem),
  };
}

/** Classifies pictures. If the only picture cannot be read, throws its error. */
export async function predict(
  name: string,
  classifier: Classifier,
  images: readonly ImageSource[],
  { top, reject, signal }: { top: number; reject?: number; signal: AbortSignal },
): Promise<z.infer<typeof predictionsSchema>> {
  const predictions = [];
  for await (const answer of classifier.predictEach(images, { reject, signal })) {
    if ('error' in answer && images.length === 1) throw answer.error;
    predictions.push('error' in answer ? failureAnswer(answer) : predictionAnswer(answer, top));
  }
  return { model: name, version: classifier.data.version, predictions };
}

const failureAnswer = ({ image, error }: Failure) => ({ image, problem: problemOf(error) });

const predictionAnswer = ({ ranking, ...answer }: Prediction, top: number) => ({
  ...answer,
  ranking: ranking.slice(0, top),
});

export function explanationAnswer(
  name: string,
  classifier: Classifier,
  { prediction, classes, contributions, part }: Explanation,
  top: number,
): z.infer<typeof explanationSchema> {
  return {
    model: name,
    version: classifier.data.version,
    prediction: predictionAnswer(prediction, top),
    part,
    classes: classes.slice(0, top),
    contributions: contributions.slice(0, top).map(({ thumbnail: _, ...shown }) => shown),
  };
}

export function examplesAnswer(
  { name, data }: Model,
  { offset, limit }: { offset: number; limit: number },
): z.infer<typeof examplesSchema> {
  const shown = data.examples.slice(offset, offset + limit);
  return {
    model: name,
    version: data.version,
    total: data.examples.length,
    examples: shown.map(({ id, sha256 }, i) => ({
      id,
      classId: data.classes[data.support.labels[offset + i]!]!.id,
      sha256,
    })),
  };
}

/** The answer to a change; `known` are the ids of the examples before it. */
export function changeAnswer(
  model: Model,
  { data, findings }: Classifier,
  known: ReadonlySet<string>,
): z.infer<typeof changeSchema> {
  return {
    model: modelAnswer(model),
    added: data.examples.flatMap(({ id }) => (known.has(id) ? [] : [id])),
    findings: findings.map(({ level, code, message, paths = [] }) => ({
      level,
      code,
      message,
      about: paths,
    })),
  };
}
