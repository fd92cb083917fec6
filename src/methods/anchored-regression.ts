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

/** Logistic regressions on subsets of the same rows. A subset is a fold or all rows. */
export interface Regressions {
  /** [n, p]. */
  readonly rows: Matrix;
  /** Rows of each of the k problems. */
  readonly subsets: readonly (readonly number[])[];
  /** Logits that are added to the computed ones, [n, c]. */
  readonly offset?: Matrix;
  /** Weight of the square of each parameter, [p]. There is one entry for each penalty, the strongest first. */
  readonly decays: readonly Float32Array[];
  /** Parameters to start from, [c, p]. They only save steps. */
  readonly start?: Tensor;
  /**
   * The possible gain that may remain where a solution ends. It is a share of the gain over V = 0 in mean cross-entropy, and at most this
   * number of nats. Under a strong penalty the whole gain may be a thousandth of a nat, which a temperature then makes large.
   */
  readonly tolerance: number;
}

const ITERATIONS = 200;
/** Gains below this, in nats, are lost in float32. */
const LEAST_GAIN = 1e-6;

/**
 * Returns, for each penalty and each subset, the parameters V [c, p] that minimise mean_i CE(offset_i + V x_i, y_i) + sum_j decay_j
 * |V_j|^2. This is convex. All subsets are solved as one problem, so an evaluation is two matrix products for any number of subsets. Each
 * penalty starts from the solution of the one before, and is not computed before the caller asks for it.
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
      // The truth is fed. Making it from the labels in the graph would add passes over [n, k, c], which are most of an evaluation.
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

/** Returns the first subset's solution for the first penalty. The others are not computed. */
export async function first<T>(solutions: AsyncIterable<readonly T[]>): Promise<T> {
  for await (const [solution] of solutions) if (solution !== undefined) return solution;
  throw new Error('there is no solution: nothing was asked for');
}

/**
 * Returns the given logits, with a logit of probability zero for each class without an example. The parameters of such a class stay zero.
 */
function withoutAbsent(labels: Int32Array, classes: number, offset?: Matrix): Matrix | undefined {
  const counts = countByClass(labels, classes);
  if (!counts.includes(0)) return offset;
  const given = matrix(labels.length, classes, offset?.data.slice());
  return { ...given, data: given.data.map((z, at) => (counts[at % classes] === 0 ? ABSENT : z)) };
}

/** A logit whose probability is zero. */
const ABSENT = -1e4;

/** Returns weights [n, k] in which the rows of each subset have equal weights that add up to one. */
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
