import { atOnce, type Pieces } from '../abort.ts';
import { logSumExp, type Matrix, matrix, row, weightedSum } from '../math/matrix.ts';
import type { StackPart } from '../methods/stack.ts';
import { searchWeights } from './scale.ts';
import type { Found } from './search-method.ts';

/** The methods of a stack, and the stack's scores on the tuning rows. */
export interface Stacked {
  readonly parts: Readonly<Record<string, StackPart>>;
  readonly temperature: number;
  readonly nll: number;
  readonly scores: Matrix;
}

/**
 * Starts with the best method on the tuning rows, and tries the others from the next best on. A method is added if it raises the
 * log-likelihood by more than numbers fitted to noise would (Akaike: 1/q for each number, for q rows). The weights of each pair are the
 * exact solution of a convex problem.
 */
export function stackMethods(found: ReadonlyMap<string, Found>, labels: Int32Array): Stacked {
  return atOnce(stacking(found, labels));
}

/** The same as a generator that pauses between pieces of work. */
export function* stacking(found: ReadonlyMap<string, Found>, labels: Int32Array): Pieces<Stacked> {
  const penalised = ({ nll, tuned }: Found) => nll + tuned.length / labels.length;
  const ranked = [...found].sort(([, x], [, y]) => penalised(x) - penalised(y));
  const [first, best] = ranked[0]!;
  let scores = logProbabilities(best);
  let nll = best.nll;
  const weights = new Map([[first, 1]]);
  for (const [id, next] of ranked.slice(1)) {
    yield;
    const other = logProbabilities(next);
    const { a, b, nll: joint } = yield* searchWeights(scores, other, labels);
    const worth = Math.max(LEAST_GAIN, (1 + next.tuned.length) / labels.length);
    if (!(joint < nll - worth) || a <= 0) continue;
    for (const [part, weight] of weights) weights.set(part, weight * a);
    weights.set(id, b);
    scores = weightedSum(a, scores, b, other);
    nll = joint;
  }
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  const parts = [...weights].map(([id, weight]): [string, StackPart] => {
    const { options, temperature } = found.get(id) as Found;
    return [id, { options, sharpness: 1 / temperature, share: weight / total }];
  });
  return { parts: Object.fromEntries(parts), temperature: 1 / total, nll, scores };
}

/** The least gain in mean log-likelihood that justifies the computing time of a part. */
const LEAST_GAIN = 1e-3;

/** log softmax(scores / temperature), [q, c]. */
function logProbabilities({ scores, temperature }: Found): Matrix {
  const out = matrix(scores.rows, scores.cols);
  for (let i = 0; i < scores.rows; i++) {
    const target = row(out, i);
    row(scores, i).forEach((x, c) => {
      target[c] = x / temperature;
    });
    const total = logSumExp(target);
    for (let c = 0; c < target.length; c++) target[c]! -= total;
  }
  return out;
}
