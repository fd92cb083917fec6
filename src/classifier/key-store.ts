import { sharedEngine } from '../engine/node.ts';
import { argmax, dot, type Matrix, norm, row, selectRows, softmaxRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { createScorer } from '../methods/score.ts';
import { taskOf } from './classifier-task.ts';
import { rounded } from './support.ts';
import type { ClassifierData, KeyStore } from './types.ts';

/** Examples that are asked both ways. */
const ASKED = 1000;

/** What 8 bits change: the classifier as it is against one of the same constants whose examples have 16 bits, `features` [r, d]. */
export async function measureKeys(
  data: ClassifierData,
  features: Matrix,
  signal?: AbortSignal,
): Promise<KeyStore> {
  const half = rounded(features, 'half');
  const step = Math.ceil(half.rows / ASKED);
  const queries = selectRows(
    half,
    [...Array(half.rows).keys()].filter((r) => r % step === 0),
  );
  const exact = { ...data, support: { ...data.support, features: half } };
  const [ours, theirs] = [
    await probabilities(data, queries, signal),
    await probabilities(exact, queries, signal),
  ];
  let [cosine, probability, equal] = [0, 0, 0];
  for (let r = 0; r < half.rows; r++)
    cosine = Math.max(cosine, distance(row(data.support.features, r), row(half, r)));
  for (let i = 0; i < queries.rows; i++) {
    const [p, q] = [row(ours, i), row(theirs, i)];
    p.forEach((x, c) => {
      probability = Math.max(probability, Math.abs(x - q[c]!));
    });
    if (argmax(p) === argmax(q)) equal++;
  }
  return { type: 'int8', cosine, probability, agreement: equal / queries.rows };
}

async function probabilities(data: ClassifierData, queries: Matrix, signal?: AbortSignal): Promise<Matrix> {
  const scorer = await createScorer(sharedEngine(), methodById(data.method), data.state, taskOf(data));
  try {
    return softmaxRows(await scorer.scores(queries, { signal }), data.tuning.temperature);
  } finally {
    await scorer.close();
  }
}

function distance(a: Float32Array, b: Float32Array): number {
  return 1 - dot(a, b) / (norm(a) * norm(b) || 1);
}
