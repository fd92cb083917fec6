import type { Engine } from '../engine/types.ts';
import { add, mul, sub } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { gemm, matmul, matmulT } from '../graph/products.ts';
import { softmax, sum } from '../graph/reduce.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { lowerRows, solvePositive } from '../linalg/solve.ts';
import { dot, identity, type Matrix, matrix, scaled } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { LEAST_CURVATURE, USUAL } from './anchored-regression.ts';

/** Largest number of steps of the conjugate gradients, and the residual at which they end, as a share of the first one. */
const STEPS = 500;
const RESIDUAL = 1e-4;

/** The inverse of a curvature, a symmetric linear operator on parameters [c, p]. */
export interface InverseCurvature {
  times(gradient: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * The inverse of (1 - r) H + r T + 2 diag(decay), for the rows x_i of a draw [m, p]. H is the second derivative of their mean cross-entropy at
 * the parameters V [c, p], sum_i (diag(q_i) - q_i q_i^T) x_i x_i^T / m with the probabilities q_i = softmax(V x_i). It vanishes where no row of
 * the draw is uncertain, so T is added: for each class v G, with the mean v of q (1 - q), or the usual one if that is larger, and the mean G [p, p]
 * of x x^T over all rows. The share r = sqrt(p / (m + p)) was measured. The product with a gradient is solved for by conjugate gradients, which T
 * preconditions.
 */
export async function inverseCurvature(
  rows: Matrix,
  { parameters, squares, decay }: { parameters: Matrix; squares: Matrix; decay: Float32Array },
  engine: Engine,
  signal?: AbortSignal,
): Promise<InverseCurvature> {
  const { rows: m, cols: p } = rows;
  const c = parameters.rows;
  const share = Math.sqrt(p / (m + p));
  const { probabilities } = await withProducts(
    engine,
    (products) =>
      products.run('probabilities', probabilityGraph, {
        rows: floatTensor([m, p], rows.data),
        parameters: floatTensor([c, p], parameters.data),
      }),
    signal,
  );
  const q = probabilities.data as Float32Array;
  const mean = (m - dot(q, q)) / (m * c);
  const usual = scaled(squares, Math.max(USUAL / c, mean));
  const inverse = await solvePositive(
    lowerRows(withDecay(usual, decay), ridge(usual)),
    identity(p),
    engine,
    signal,
  );
  const session = await engine.compile(graphOf({ m, p, c, scale: (1 - share) / m }), { signal });
  await session.keep(
    {
      rows: floatTensor([m, p], rows.data),
      probabilities,
      rest: floatTensor([p, p], withDecay(scaled(usual, share), decay).data),
      inverse: floatTensor([p, p], inverse.data),
    },
    { signal },
  );
  const applied = (direction: Float32Array) =>
    session.run({ direction: floatTensor([c, p], direction) }, { signal });
  return {
    close: () => session.close(),
    async times(gradient) {
      const { product } = await withProducts(
        engine,
        async (products) => ({ product: await products.product(matrix(c, p, gradient), inverse) }),
        signal,
      );
      return conjugateGradients(applied, gradient, product.data);
    },
  };
}

function probabilityGraph() {
  const scores = matmulT(input('rows', ['m', 'p']), input('parameters', ['c', 'p']));
  return { probabilities: softmax(scores) };
}

/** The curvature times a direction D [c, p], and this times the preconditioner. */
function graphOf({ m, p, c, scale }: { m: number; p: number; c: number; scale: number }) {
  const rows = input('rows', [m, p]);
  const direction = input('direction', [c, p]);
  const weighted = mul(input('probabilities', [m, c]), matmulT(rows, direction));
  const each = sub(weighted, mul(input('probabilities', [m, c]), sum(weighted, [1], true)));
  const curved = add(
    mul(gemm(each, rows, { transposeA: true }), scale),
    matmul(direction, input('rest', [p, p])),
  );
  return { curved, solved: matmul(curved, input('inverse', [p, p])) };
}

/** a + 2 diag(decay). */
function withDecay({ rows, cols, data }: Matrix, decay: Float32Array): Matrix {
  const out = matrix(rows, cols, data.slice());
  for (let j = 0; j < rows; j++) out.data[j * (cols + 1)]! += 2 * decay[j]!;
  return out;
}

/** A ridge that keeps the float32 factor of a matrix positive definite. */
function ridge({ rows, data }: Matrix): number {
  let trace = 0;
  for (let j = 0; j < rows; j++) trace += data[j * (rows + 1)]!;
  return (LEAST_CURVATURE * trace) / rows;
}

/** The solution of A x = b for the b whose product with the preconditioner is `solved` (Nocedal and Wright, Numerical Optimization, algorithm 5.3). */
async function conjugateGradients(
  applied: (direction: Float32Array) => Promise<Record<'curved' | 'solved', Tensor>>,
  b: Float32Array,
  solved: Float32Array,
): Promise<Float32Array> {
  const x = new Float32Array(b.length);
  const residual = b.slice();
  const inner = solved.slice();
  const direction = solved.slice();
  const first = dot(residual, inner);
  let square = first;
  for (let step = 0; step < STEPS && square > RESIDUAL ** 2 * first; step++) {
    const image = await applied(direction);
    const curved = image.curved.data as Float32Array;
    const further = image.solved.data as Float32Array;
    const length = square / dot(direction, curved);
    for (let i = 0; i < x.length; i++) {
      x[i]! += length * direction[i]!;
      residual[i]! -= length * curved[i]!;
      inner[i]! -= length * further[i]!;
    }
    const next = dot(residual, inner);
    for (let i = 0; i < x.length; i++) direction[i] = inner[i]! + (next / square) * direction[i]!;
    square = next;
  }
  return x;
}
