import { argmax, row } from '../math/matrix.ts';
import type { LeftOutAnswers } from './left-out.ts';
import type { ClassifierData, Suspect } from './types.ts';

/** A labelled picture with the probabilities of all classes, [c]. */
export interface LabelledAnswer {
  readonly id: string;
  readonly label: number;
  readonly probabilities: Float32Array;
  /** Whether the answer is that of a classifier without this picture, which is an example of the whole one. */
  readonly leftOut: boolean;
}

/** The labels that are probably wrong. The most suspicious one, by the margin of the predicted class, comes first. */
export function suspectsAmong(
  { classes }: Pick<ClassifierData, 'classes'>,
  answers: readonly LabelledAnswer[],
): Suspect[] {
  const margin = ({ predictedProbability, labelProbability }: Suspect) =>
    predictedProbability - labelProbability;
  return answers
    .flatMap(({ id, label, probabilities: p, leftOut }): Suspect[] => {
      const best = argmax(p);
      if (best === label) return [];
      const names = { image: id, label: classes[label]!.name, predicted: classes[best]!.name };
      return [{ ...names, labelProbability: p[label]!, predictedProbability: p[best]!, leftOut }];
    })
    .sort((a, b) => margin(b) - margin(a));
}

/** The answers to a classifier's examples, with the labels that it learnt them by. */
export function ownAnswers(
  { examples, support }: Pick<ClassifierData, 'examples' | 'support'>,
  { examples: indices, probabilities }: LeftOutAnswers,
): LabelledAnswer[] {
  return indices.map((example, i) => ({
    id: examples[example]!.id,
    label: support.labels[example]!,
    probabilities: row(probabilities, i),
    leftOut: true,
  }));
}

/**
 * The answers to labelled pictures that are a classifier's examples, found by their sha256. A picture whose example could not be left out
 * has none. If a picture is an example of several classes, the example of the given label counts.
 */
export function answersFor(
  { examples, support }: Pick<ClassifierData, 'examples' | 'support'>,
  leftOut: LeftOutAnswers,
  pictures: readonly { readonly id: string; readonly label: number; readonly sha256: string }[],
): LabelledAnswer[] {
  const rows = new Map<string, number>();
  leftOut.examples.forEach((example, i) => {
    const { sha256 } = examples[example]!;
    for (const key of [sha256, `${sha256} ${support.labels[example]}`]) if (!rows.has(key)) rows.set(key, i);
  });
  return pictures.flatMap(({ id, label, sha256 }) => {
    const at = rows.get(`${sha256} ${label}`) ?? rows.get(sha256);
    if (at === undefined) return [];
    return [{ id, label, probabilities: row(leftOut.probabilities, at), leftOut: true }];
  });
}
