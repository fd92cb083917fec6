import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { add, mul, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { gradients } from '../graph/gradient.ts';
import { reshape } from '../graph/layout.ts';
import { matmulT } from '../graph/products.ts';
import { logSumExp, sum } from '../graph/reduce.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { minimise } from './lbfgs.ts';
import { countByClass, type Task } from './task.ts';

/** Logistic regressions on subsets of the same rows: folds, or the whole. */
export interface Regressions {
  /** [n, p]. */
  readonly rows: Matrix;
  /** Rows of each of the k problems. */
  readonly subsets: readonly (readonly number[])[];
  /** Logits that are given, [n, c]. */
  readonly offset?: Matrix;
  /** Weight of each parameter's square in each problem, [p]: one entry for each way to regularise, strongest first. */
  readonly decays: readonly Float32Array[];
  /** Where to begin, [c, p]: it only saves steps. */
  readonly start?: Tensor;
  /**
   * What may be left to gain where a solution ends: a share of what it gains over V = 0 in mean cross-entropy, and no more than so many
   * nats. Under a strong penalty the whole of it may be a thousandth of a nat, which a temperature then makes large.
   */
  readonly tolerance: number;
}

const ITERATIONS = 200;
/** Gains below this, in nats, are lost in float32. */
const LEAST_GAIN = 1e-6;

/**
 * For each way to regularise, and each subset, the parameters V [c, p] that minimise mean_i CE(offset_i + V x_i, y_i) +
 * sum_j decay_j |V_j|^2: convex. All subsets are one problem, so that an evaluation is two matrix products whatever their
 * number; each way to regularise begins where the one before ended, and is not computed before it is asked for.
 */
export async function* regressions(
  { engine = interpreterEngine(), support: { labels }, classes, signal }: Task,
  { rows, subsets, offset, decays, start, tolerance }: Regressions,
): AsyncGenerator<Tensor[]> {
  const [n, p, k] = [rows.rows, rows.cols, subsets.length];
  const given = withoutAbsent(labels, classes, offset);
  const size = classes * p;
  const parameters = input('parameters', [k * classes, p]);
  const own = reshape(matmulT(input('rows', [n, p]), parameters), [n, k, classes]);
  const logits = given ? add(own, input('offset', [n, 1, classes])) : own;
  const correct = sum(mul(logits, input('truth', [n, 1, classes])), [2], true);
  const losses = mul(sub(logSumExp(logits), correct), input('weights', [n, k, 1]));
  const penalty = sum(mul(mul(parameters, parameters), input('decay', [1, p])), [0, 1]);
  const loss = add(sum(losses, [0, 1, 2]), penalty);
  const [gradient] = gradients(loss, [parameters]);

  const session = await engine.compile({ loss, gradient }, { signal });
  try {
    const kept = {
      rows: floatTensor([n, p], rows.data),
      // Fed rather than made of the labels in the graph: an evaluation is mostly passes over [n, k, c].
      truth: floatTensor([n, 1, classes], oneHot(labels, classes).data),
      weights: floatTensor([n, k, 1], meansOver(subsets, n).data),
      ...(given ? { offset: floatTensor([n, 1, classes], given.data) } : {}),
    };
    await session.keep(kept, { signal });
    let x: Float32Array = new Float32Array(k * size);
    if (start?.shape[1] === p) {
      const known = (start.data as Float32Array).subarray(0, size);
      for (let j = 0; j < k; j++) x.set(known, j * size);
    }
    const evaluate = async (at: Float32Array) => {
      const results = await session.run({ parameters: floatTensor([k * classes, p], at) }, { signal });
      return { value: results.loss.data[0] as number, gradient: results.gradient.data as Float32Array };
    };
    let nothing: number | undefined;
    for (const decay of decays) {
      await session.keep({ decay: floatTensor([1, p], decay) });
      nothing ??= (await evaluate(new Float32Array(k * size))).value;
      const gained = (value: number) => Math.min(1, Math.max(LEAST_GAIN, nothing! / k - value / k));
      const enough = (value: number) => tolerance * k * gained(value);
      x = (await minimise(evaluate, x, { iterations: ITERATIONS, tolerance: enough, signal })).x;
      yield subsets.map((_, j) => floatTensor([classes, p], x.slice(j * size, (j + 1) * size)));
    }
  } finally {
    await session.close();
  }
}

/** The first subset's solution for the first way to regularise; the others are not computed. */
export async function first<T>(solutions: AsyncIterable<readonly T[]>): Promise<T> {
  for await (const [solution] of solutions) if (solution !== undefined) return solution;
  throw new Error('there is no solution: nothing was asked for');
}

/** Given logits at which a class without an example has no part in the fit: its parameters stay zero. */
function withoutAbsent(labels: Int32Array, classes: number, offset?: Matrix): Matrix | undefined {
  const counts = countByClass(labels, classes);
  if (!counts.includes(0)) return offset;
  const given = matrix(labels.length, classes, offset?.data.slice());
  return { ...given, data: given.data.map((z, at) => (counts[at % classes] === 0 ? ABSENT : z)) };
}

/** A logit of probability zero. */
const ABSENT = -1e4;

/** Each problem's rows count alike and add up to one, [n, k]. */
function meansOver(subsets: readonly (readonly number[])[], n: number): Matrix {
  const weights = matrix(n, subsets.length);
  subsets.forEach((members, k) => {
    for (const i of members) weights.data[i * subsets.length + k] = 1 / members.length;
  });
  return weights;
}

function oneHot(labels: Int32Array, classes: number): Matrix {
  const rows = matrix(labels.length, classes);
  labels.forEach((label, i) => {
    rows.data[i * classes + label] = 1;
  });
  return rows;
}
