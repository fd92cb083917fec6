import type { Classifier } from '../classifier/classifier.ts';
import type { Prediction } from '../classifier/types.ts';
import { dot, type Matrix, norm, row } from '../math/matrix.ts';
import { isInFile } from '../methods/file-rows.ts';
import type { Metrics } from './metrics.ts';

/** Largest count of the examples' numbers. A search through more would delay other requests by more than about 10 ms. */
const LARGEST = 2 ** 23;

/** The least time between two searches, as a multiple of the time of a search: they take at most 2% of the thread's time. */
const REST = 50;

/**
 * Makes a function that returns the cosine distance (0 to 2) between an embedding [d] and the nearest of the rows [r, d]. If it is called
 * too soon after its last search, it returns undefined, so only a part of the embeddings is measured under load. Undefined if there are no
 * rows, too many rows, or if the rows stay in a file.
 */
export function nearestDistance(rows: Matrix): ((embedding: Float32Array) => number | undefined) | undefined {
  if (rows.rows === 0 || rows.rows * rows.cols > LARGEST || isInFile(rows)) return undefined;
  const inverse = Float32Array.from({ length: rows.rows }, (_, i) => 1 / (norm(row(rows, i)) || 1));
  let resume = 0;
  return (embedding) => {
    const started = performance.now();
    if (started < resume) return undefined;
    let nearest = -1;
    for (let i = 0; i < rows.rows; i++) {
      nearest = Math.max(nearest, dot(row(rows, i), embedding) * inverse[i]!);
    }
    const now = performance.now();
    resume = now + REST * (now - started);
    return 1 - Math.min(1, nearest / (norm(embedding) || 1));
  };
}

/** Counts a classifier's answers in the metrics that show whether its pictures still resemble its examples. */
export function watchDrift(
  model: string,
  { data }: Classifier,
  { answers, probability, distance }: Metrics,
): (prediction: Prediction, embedding: Float32Array) => void {
  const nearest = nearestDistance(data.support.features);
  return (prediction, embedding) => {
    answers.add({ model, rejected: String(prediction.rejected) });
    probability.observe(prediction.probability, { model });
    const found = nearest?.(embedding);
    if (found !== undefined) distance.observe(found, { model });
  };
}
