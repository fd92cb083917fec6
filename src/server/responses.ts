import type { z } from 'zod';
import type { Classifier } from '../classifier/classifier.ts';
import { exampleCount, exampleCounts } from '../classifier/example-counts.ts';
import { isFailure } from '../classifier/failure.ts';
import type { Explanation, Failure, Prediction } from '../classifier/types.ts';
import { isCalibrated } from '../tuning/calibrated.ts';
import type { Model, Ready } from './model.ts';
import { problemOf } from './problem.ts';
import type {
  changeSchema,
  examplesSchema,
  explanationSchema,
  modelSchema,
  predictionsSchema,
} from './schemas.ts';

/** The server's answers, made from the classifiers' answers. */

export function modelAnswer({ name, data, hash, etag, problem }: Model): z.infer<typeof modelSchema> {
  const counts = exampleCounts(data);
  return {
    name,
    version: data.version,
    hash,
    etag,
    classes: data.classes.map(({ id, name: shown }, c) => ({ id, name: shown, examples: counts[c]! })),
    examples: exampleCount(data),
    method: data.method,
    calibrated: isCalibrated(data.tuning),
    encoder: data.encoder.id,
    reject: data.reject,
    created: data.created,
    problem: problem && problemOf(problem),
  };
}

/** The classifier that answered. */
const answeredBy = ({ name, classifier, hash }: Ready) => ({
  model: name,
  version: classifier.data.version,
  hash,
});

/** The answers to pictures, in order. If the only picture cannot be read, throws its error. */
export function predictionsAnswer(
  ready: Ready,
  answers: readonly (Prediction | Failure)[],
  top: number,
): z.infer<typeof predictionsSchema> {
  const [only] = answers;
  if (answers.length === 1 && only && isFailure(only)) throw only.error;
  const predictions = answers.map((answer) =>
    isFailure(answer) ? failureAnswer(answer) : predictionAnswer(answer, top),
  );
  return { ...answeredBy(ready), predictions };
}

const failureAnswer = ({ image, error }: Failure) => ({ image, problem: problemOf(error) });

const predictionAnswer = ({ ranking, ...answer }: Prediction, top: number) => ({
  ...answer,
  ranking: ranking.slice(0, top),
});

export function explanationAnswer(
  ready: Ready,
  { prediction, classes, contributions, part }: Explanation,
  top: number,
): z.infer<typeof explanationSchema> {
  return {
    ...answeredBy(ready),
    prediction: predictionAnswer(prediction, top),
    part,
    classes: classes.slice(0, top),
    contributions: contributions.slice(0, top).map(({ thumbnail: _, ...shown }) => shown),
  };
}

export function examplesAnswer(
  { name, data, hash }: Model,
  { offset, limit }: { offset: number; limit: number },
): z.infer<typeof examplesSchema> {
  const shown = data.examples.slice(offset, offset + limit);
  return {
    model: name,
    version: data.version,
    hash,
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
