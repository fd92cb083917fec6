import { interpreterEngine } from '../engine/interpreter-engine.ts';
import type { Engine } from '../engine/types.ts';
import { add, div, mul, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { gradients } from '../graph/gradient.ts';
import { matmul, matmulT } from '../graph/products.ts';
import { logSumExp, sum } from '../graph/reduce.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { lowerRows, solvePositive } from '../linalg/solve.ts';
import { identity, type Matrix, matrix, matrixOf, scaled, selectRows } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { MANY_SCORES, overlapped } from '../overlap.ts';
import { minimise, type Objective } from './lbfgs.ts';
import { type Coordinates, spanOf, withBias, withColumn } from './row-span.ts';
import { countByClass, type Task } from './task.ts';

/** Logistic regressions on subsets of the same rows. A subset is a fold or all rows. */
export interface Regressions {
  /** [n, d]. */
  readonly rows: Matrix;
  /** Rows of each of the k problems. */
  readonly subsets: readonly (readonly number[])[];
  /** Logits that are added to the computed ones, [n, c]. */
  readonly offset?: Matrix;
  /** Weights of the squared parameters, strongest first. */
  readonly penalties: readonly number[];
  /** A number that is added to each row as a last column. Its parameters are the classes' biases and are not penalised. */
  readonly bias?: number;
  /** Parameters to start from, [c, p] with p = d, or d + 1 with biases. They only save steps. */
  readonly start?: Tensor;
  /**
   * The possible gain that may remain where a solution ends. It is a share of the gain over V = 0 in mean cross-entropy, and at most this
   * number of nats. Under a strong penalty the whole gain may be a thousandth of a nat, which a temperature then makes large.
   */
  readonly tolerance: number;
}

const ITERATIONS = 200;
/** Gains below this, in nats, are lost in float32. */
export const LEAST_GAIN = 1e-6;

/**
 * Returns, for each penalty and each subset, the parameters V [c, p] that minimise mean_i CE(offset_i + V x_i, y_i) + penalty |V|^2, where
 * |V|^2 does not include the biases. This is convex. Each penalty starts from the solution of the one before, and is not computed before
 * the caller asks for it. If there are fewer rows than dimensions, the problem is solved in coordinates of their span.
 */
export async function* regressions(
  { engine = interpreterEngine(), support: { labels }, classes, signal }: Task,
  { rows: given, subsets, offset, penalties, bias, start, tolerance }: Regressions,
): AsyncGenerator<Tensor[]> {
  const { rows, basis } = await coordinatesOf(given, bias, engine, signal);
  const p = rows.cols;
  const squares = await withProducts(engine, (products) => products.transposedProduct(rows, rows), signal);
  const through = async (name: 'product' | 'productT', m: Matrix) =>
    basis ? withProducts(engine, (products) => products[name](m, basis), signal) : m;
  const known =
    start?.shape[1] === (basis?.cols ?? p) ? await through('productT', matrixOf(start)) : undefined;
  const size = rows.rows * classes;
  const problems: (Problem | undefined)[] = [];
  const opened = async (k: number): Promise<Problem> => {
    const subset = subsets[k]!;
    problems[k] ??= await problemOf(
      {
        rows: selectRows(rows, subset),
        labels: Int32Array.from(subset, (i) => labels[i]!),
        offset: offset && selectRows(offset, subset),
      },
      classes,
      engine,
      signal,
    );
    return problems[k];
  };
  try {
    const points: Float32Array[] = subsets.map(() => new Float32Array(classes * p));
    // The losses at V = 0, which are the same for every penalty.
    const nothing: number[] = [];
    if (known) for (const point of points) point.set(known.data.subarray(0, point.length));
    for (const penalty of penalties) {
      const decay = new Float32Array(p).fill(penalty);
      if (bias !== undefined) decay[p - 1] = 0;
      const curvature = usualCurvature(squares, size, decay);
      const inverse = await solvePositive(lowerRows(curvature), identity(p), engine, signal);
      const solved = await overlapped(subsets, size, async (_, k) => {
        const { evaluate, setPenalty, close } = await opened(k);
        await setPenalty(decay, inverse);
        const atNothing = k in nothing ? undefined : await evaluate(new Float32Array(classes * p));
        if (atNothing) nothing[k] = atNothing.value;
        const gained = (value: number) => Math.min(1, Math.max(LEAST_GAIN, nothing[k]! - value));
        const enough = (value: number) => tolerance * gained(value);
        const { x } = await minimise(evaluate, points[k]!, {
          first: known ? undefined : atNothing,
          iterations: ITERATIONS,
          tolerance: enough,
          signal,
        });
        points[k] = x;
        // The engine holds several matrices of scores for each problem.
        if (size >= MANY_SCORES) {
          await close();
          problems[k] = undefined;
        }
        const { cols, data } = await through('product', matrix(classes, p, x));
        return floatTensor([classes, cols], data.slice());
      });
      yield solved;
    }
  } finally {
    for (const problem of problems) await problem?.close();
  }
}

/** The loss on one subset, as the engine computes it. */
interface Problem {
  readonly evaluate: Objective;
  setPenalty(decay: Float32Array, inverseCurvature: Matrix): Promise<void>;
  close(): Promise<void>;
}

async function problemOf(
  { rows, labels, offset }: { rows: Matrix; labels: Int32Array; offset?: Matrix },
  classes: number,
  engine: Engine,
  signal?: AbortSignal,
): Promise<Problem> {
  const [n, p] = [rows.rows, rows.cols];
  const given = withoutAbsent(labels, classes, offset);
  const parameters = input('parameters', [classes, p]);
  const own = matmulT(input('rows', [n, p]), parameters);
  const logits = given ? add(own, input('offset', [n, classes])) : own;
  const correct = sum(mul(logits, input('truth', [n, classes])), [1], true);
  const penalty = sum(mul(mul(parameters, parameters), input('decay', [1, p])), [0, 1]);
  const loss = add(div(sum(sub(logSumExp(logits), correct), [0, 1]), n), penalty);
  const [gradient] = gradients(loss, [parameters]);
  const preconditioned = matmul(gradient!, input('inverse', [p, p]));
  const session = await engine.compile({ loss, gradient, preconditioned }, { signal });
  const kept = {
    rows: floatTensor([n, p], rows.data),
    // The one-hot labels are an input. The graph could make them from the labels, but this takes further passes over [n, c], and such passes take most of an evaluation.
    truth: floatTensor([n, classes], oneHot(labels, classes).data),
    ...(given ? { offset: floatTensor([n, classes], given.data) } : {}),
  };
  await session.keep(kept, { signal });
  const evaluate: Objective = async (at) => {
    const results = await session.run({ parameters: floatTensor([classes, p], at) }, { signal });
    return {
      value: results.loss.data[0] as number,
      gradient: results.gradient.data as Float32Array,
      preconditioned: results.preconditioned.data as Float32Array,
    };
  };
  const setPenalty = (decay: Float32Array, inverse: Matrix) =>
    session.keep(
      { decay: floatTensor([1, p], decay), inverse: floatTensor([p, p], inverse.data) },
      { signal },
    );
  return { evaluate, setPenalty, close: () => session.close() };
}

/** The mean of p (1 - p) over rows and classes near a solution, in units of 1/c. The value was measured. It changes only the number of steps. */
export const USUAL = 0.05;
/** A ridge, in mean variances, that keeps the float32 factor positive definite. */
export const LEAST_CURVATURE = 1e-4;

/** An estimate of the second derivative for the parameters of any class: USUAL / (n c) X^T X + 2 diag(decay), [p, p]. */
function usualCurvature(squares: Matrix, count: number, decay: Float32Array): Matrix {
  const p = squares.rows;
  const curvature = scaled(squares, USUAL / count);
  let trace = 0;
  for (let j = 0; j < p; j++) trace += curvature.data[j * p + j]!;
  for (let j = 0; j < p; j++) curvature.data[j * p + j]! += 2 * decay[j]! + (LEAST_CURVATURE * trace) / p;
  return curvature;
}

/** The rows with the column of the biases. If there are fewer rows than dimensions, they are in coordinates of their span. */
async function coordinatesOf(
  rows: Matrix,
  bias: number | undefined,
  engine: Engine,
  signal?: AbortSignal,
): Promise<Pick<Coordinates, 'rows'> & Partial<Coordinates>> {
  if (rows.rows >= rows.cols) return { rows: bias === undefined ? rows : withColumn(rows, bias) };
  const span = await withProducts(engine, (products) => spanOf(rows, products, signal), signal);
  return bias === undefined ? span : withBias(span, bias);
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
export const ABSENT = -1e4;

function oneHot(labels: Int32Array, classes: number): Matrix {
  const rows = matrix(labels.length, classes);
  labels.forEach((label, i) => {
    rows.data[i * classes + label] = 1;
  });
  return rows;
}
