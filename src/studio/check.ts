import { taskOf } from '../classifier/classifier-task.ts';
import { leftOutAnswers } from '../classifier/left-out.ts';
import type { ClassifierData } from '../classifier/types.ts';
import { sampleFewShot } from '../dataset/few-shot.ts';
import { sharedEngine } from '../engine/shared.ts';
import { throwIfAborted } from '../errors.ts';
import { argmax, row, selectRows } from '../math/matrix.ts';
import type { Method } from '../methods/method.ts';
import { createScorer } from '../methods/score.ts';
import { plainRows, selectExamples } from '../methods/task.ts';
import { type ReliabilityBin, reliabilityBins, wilsonInterval } from '../metrics/index.ts';
import { type CacheConstants, constantsOf } from './instant.ts';

/** The results of a classifier on left-out pictures. Classes are numbers of this check. */
export interface Check {
  readonly correct: number;
  readonly total: number;
  /** 95% Wilson interval of the accuracy. */
  readonly interval: readonly [number, number];
  /** Number of folds. */
  readonly folds: number;
  readonly perClass: readonly { readonly correct: number; readonly total: number }[];
  /** For each left-out picture: its example's number, class and answer, and the probabilities of both. */
  readonly answers: readonly Answer[];
  readonly bins: readonly ReliabilityBin[];
  readonly curve: readonly CurvePoint[];
}

interface Answer {
  readonly example: number;
  readonly label: number;
  readonly predicted: number;
  readonly labelProbability: number;
  readonly probability: number;
}

interface CurvePoint {
  readonly shots: number;
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
}

/** The method of the learning curve, Tip-Adapter or its cache alone, and its constants. */
interface Curved extends CacheConstants {
  readonly method: Method;
}

const MOST_FOLDS = 4;
const BINS = 10;

/**
 * Cross-validates the classifier's method on its own examples: fits it with each fold left out, and classifies that fold. The
 * constants were chosen on the same folds, so the result is slightly optimistic. `curved` is the method of the learning curve.
 * Undefined if no class has two groups of pictures.
 */
export async function checkClassifier(
  data: ClassifierData,
  curved: Curved,
  signal: AbortSignal,
): Promise<Check | undefined> {
  const leftOut = await leftOutAnswers(data, { mostFolds: MOST_FOLDS, signal });
  if (!leftOut) return undefined;
  const { examples, probabilities, folds } = leftOut;
  const labels = examples.map((i) => data.support.labels[i]!);
  const answers = examples.map((example, i): Answer => {
    const p = row(probabilities, i);
    const predicted = argmax(p);
    const label = labels[i]!;
    return { example, label, predicted, labelProbability: p[label]!, probability: p[predicted]! };
  });
  const correct = answers.filter(({ label, predicted }) => label === predicted).length;
  return {
    correct,
    total: answers.length,
    interval: wilsonInterval(correct, answers.length),
    folds,
    perClass: data.classes.map((_, c) => {
      const own = answers.filter(({ label }) => label === c);
      return { correct: own.filter(({ predicted }) => predicted === c).length, total: own.length };
    }),
    answers,
    bins: reliabilityBins(probabilities, labels, BINS).filter(({ count }) => count > 0),
    curve: await learningCurve(data, curved, signal),
  };
}

const CURVE_SHOTS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const DRAWS = [1, 2, 3];
/** Least number of test pictures for a point of the learning curve. */
const LEAST_ASKED = 5;

/**
 * The accuracy against the number of examples per class, over three draws, on the pictures that were not drawn. Votes are
 * summed over a class's examples, so alpha is scaled with the number drawn.
 */
async function learningCurve(
  data: ClassifierData,
  { method, alpha, beta }: Curved,
  signal: AbortSignal,
): Promise<CurvePoint[]> {
  const { labels, groups } = data.support;
  const rows = { labels, groups: Array.from(groups, String) };
  const perClass = labels.length / data.classes.length;
  const points: CurvePoint[] = [];
  for (const shots of CURVE_SHOTS.filter((count) => count < perClass)) {
    let correct = 0;
    let total = 0;
    for (const seed of DRAWS) {
      throwIfAborted(signal);
      const drawn = sampleFewShot(rows, { shots, seed });
      const result = await askTheRest(data, drawn, {
        method,
        alpha: (alpha * perClass) / shots,
        beta,
      });
      correct += result.correct;
      total += result.total;
    }
    const asked = Math.round(total / DRAWS.length);
    if (asked < LEAST_ASKED) break;
    const [low, high] = wilsonInterval(Math.round(correct / DRAWS.length), asked);
    points.push({ shots, accuracy: correct / total, low, high });
  }
  return points;
}

async function askTheRest(data: ClassifierData, drawn: readonly number[], { method, ...constants }: Curved) {
  const { support } = data;
  const shown = new Set(drawn.map((i) => support.groups[i]));
  const asked = [...support.labels.keys()].filter((i) => !shown.has(support.groups[i]));
  const task = { ...taskOf(data), support: selectExamples(support, drawn) };
  const scorer = await createScorer(sharedEngine(), method, constantsOf(method, constants), task);
  const scores = await scorer.scores(selectRows(plainRows(support), asked));
  await scorer.close();
  const correct = asked.filter((i, r) => argmax(row(scores, r)) === support.labels[i]).length;
  return { correct, total: asked.length };
}
