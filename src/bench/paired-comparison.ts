import type { Evaluation } from '../classifier/types.ts';
import { DataError } from '../errors.ts';
import { wilsonInterval } from '../metrics/accuracy.ts';
import { mcnemar, pairedBootstrap } from '../metrics/paired.ts';

/** Measures of one of two classifiers on the pictures that both were tested on. */
export interface Side {
  readonly method: string;
  readonly encoder: string;
  readonly protocol: string;
  /** Whether its probabilities are calibrated. */
  readonly calibrated: boolean;
  readonly correct: number;
  readonly accuracy: number;
  /** 95% Wilson interval. */
  readonly interval: readonly [number, number];
  /** Mean negative log-likelihood, in nats. */
  readonly nll: number;
}

/** A picture with different answers from two classifiers. */
export interface Disagreement {
  readonly image: string;
  readonly label: string;
  /** Shown name and probability (0 to 1) of each answer. */
  readonly first: string;
  readonly firstProbability: number;
  readonly second: string;
  readonly secondProbability: number;
  readonly right: 'first' | 'second' | 'neither';
}

export interface Comparison {
  /** Number of pictures that both were tested on. */
  readonly total: number;
  /** Pictures that only one was tested on, because they are examples of the other or of a class that it does not have. */
  readonly leftOut: readonly string[];
  readonly first: Side;
  readonly second: Side;
  /** Accuracy of the first minus that of the second, with the 95% interval of the paired bootstrap. */
  readonly difference: number;
  readonly interval: readonly [number, number];
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided p-value of McNemar's exact test. */
  readonly p: number;
  readonly disagreements: readonly Disagreement[];
}

/** Compares two classifiers on the same pictures. Throws `DataError` if there is no picture that both were tested on. */
export function compareEvaluations(first: Evaluation, second: Evaluation): Comparison {
  const others = new Map(second.predictions.map((prediction) => [prediction.image, prediction]));
  const pairs = first.predictions.flatMap((one) => {
    const other = others.get(one.image);
    return other ? [{ one, other }] : [];
  });
  if (pairs.length === 0) {
    throw new DataError('There is no picture that both classifiers can be measured on', {
      code: 'compare/nothing',
      hint: 'Give labelled pictures of classes that both classifiers have. They must not be examples of either.',
      details: { first: first.total, second: second.total },
    });
  }
  const shared = new Set(pairs.map(({ one }) => one.image));
  const right = {
    first: pairs.map(({ one }) => one.id === one.label),
    second: pairs.map(({ other }) => other.id === other.label),
  };
  return {
    total: pairs.length,
    leftOut: [...first.predictions, ...second.predictions]
      .map(({ image }) => image)
      .filter((image) => !shared.has(image)),
    first: sideOf(
      first,
      pairs.map(({ one }) => one),
    ),
    second: sideOf(
      second,
      pairs.map(({ other }) => other),
    ),
    ...pairedBootstrap(right.first.map(Number), right.second.map(Number)),
    ...mcnemar(right.first, right.second),
    disagreements: pairs.flatMap(({ one, other }, i) =>
      (right.first[i] && right.second[i]) || one.name === other.name
        ? []
        : [
            {
              image: one.image,
              label: one.labelName,
              first: one.name,
              firstProbability: one.probability,
              second: other.name,
              secondProbability: other.probability,
              right: right.first[i] ? ('first' as const) : right.second[i] ? 'second' : 'neither',
            },
          ],
    ),
  };
}

function sideOf(
  { method, encoder, protocol, calibrated }: Evaluation,
  predictions: Evaluation['predictions'],
): Side {
  const correct = predictions.filter(({ id, label }) => id === label).length;
  const total = predictions.length;
  const surprise = predictions.map(({ ranking, label }) => {
    const own = ranking.find(({ id }) => id === label);
    return -Math.log(Math.max(own?.probability ?? 0, 1e-12));
  });
  return {
    method,
    encoder,
    protocol,
    calibrated,
    correct,
    accuracy: correct / total,
    interval: wilsonInterval(correct, total),
    nll: surprise.reduce((sum, x) => sum + x, 0) / total,
  };
}
