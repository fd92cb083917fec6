import { inTurns, type Pieces } from '../abort.ts';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { type Optimiser, referenceUpdate } from '../engine/training/optimiser.ts';
import { add, mul } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { gradients } from '../graph/gradient.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { withProducts } from '../linalg/matrix-products.ts';
import { dot, type Matrix, matrix, norm, row } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { flag, integer } from '../options.ts';
import { crossEntropy } from './loss.ts';
import { defineMethod, type SymbolicState, type SymbolicTaskWith, type TaskWith } from './method.ts';
import { keysOf } from './task.ts';

/**
 * LP++: a linear probe, and a weight for each class name, scores_c = f w_c + b_c + a_c f t_c, without the logit scale (Huang et al., CVPR
 * 2024, arXiv 2404.02285, eq. 4-13). The step sizes follow from Lipschitz constants of the loss, so nothing is tuned. The published code
 * never clears the gradient of a, so that every tenth step takes the sum of all gradients so far. `official` does the same.
 */
export const lpPlusPlus = defineMethod({
  id: 'lp-plus-plus',
  name: 'LP++',
  paper: 'Huang et al., CVPR 2024, arXiv 2404.02285, eq. 4-13',
  needs: ['text', 'examples'],
  options: {
    iterations: integer({ default: 300, min: 1, help: 'Steps, each on all examples.' }),
    official: flag({
      default: false,
      help: 'Add up the gradients of the class name weights over the steps, as the published code does.',
    }),
  },
  fit: fitProbe,
  holds: ({ classes, dimension }) => ({
    w: { shape: [classes, dimension] },
    b: { shape: [classes] },
    a: { shape: [classes] },
  }),
  prepare: (state) => state,
  terms: (f, state, task) => probeTerms(f, state, task),
});

/** Weights [c, d] and bias [c] of the probe, and the weights of the names [c]. */
type Probe = { readonly w: Tensor; readonly b: Tensor; readonly a: Tensor };

/** `text` a_c f t_c and `method` f w_c + b_c, [m, c] each. */
function probeTerms(f: Expr, { w, b, a }: SymbolicState<Probe>, { head }: SymbolicTaskWith<'text'>) {
  return { text: mul(matmulT(unit(f), head.weights), a), method: linear(unit(f), w, b) };
}

const MOMENTUM: Optimiser = { kind: 'sgd', momentum: 0.9 };
/** Multiplier of the mean f t_c in the start value of a: 1 / lambda of eq. 13, as in the authors' code (`calculate_init_alpha`). */
const NAME_WEIGHT = 250;
/** Number of iterations between two gradient steps of a. */
const EVERY = 10;

async function fitProbe(
  task: TaskWith<'text'>,
  { iterations, official }: { iterations: number; official: boolean },
): Promise<Probe> {
  const { classes, dimension, support, head, engine = interpreterEngine(), signal } = task;
  const keys = keysOf(support);
  const n = keys.rows;
  const { products, square } = await withProducts(
    engine,
    async (run) => ({
      products: await run.productT(keys, head.weights), // f t_c, [n, c]
      square: await (n < dimension ? run.productT(keys, keys) : run.transposedProduct(keys, keys)),
    }),
    signal,
  );
  const { sums, cosines, squares } = await inTurns(statistics(keys, products, support.labels), signal);
  const w = sums.data.slice();
  const b = new Float32Array(classes);
  const a = new Float32Array(classes).fill(NAME_WEIGHT * mean(cosines));
  // Eq. 8 and 10: the largest steps with which the loss is certain to fall.
  const rate = (4 * n) / (await inTurns(largestEigenvalue(square), signal));
  const rateOfA = n / (4 * Math.max(...squares));

  const state = { w: input('w', [classes, dimension]), b: input('b', [classes]), a: input('a', [classes]) };
  const scores = add(
    mul(input('products', [n, classes]), state.a),
    linear(input('f', [n, dimension]), state.w, state.b),
  );
  const loss = crossEntropy(scores, input('labels', [n, 1]));
  const [gw, gb, ga] = gradients(loss, [state.w, state.b, state.a]);
  const session = await engine.compile({ gw, gb, ga }, { signal });
  try {
    const kept = {
      f: floatTensor([n, dimension], keys.data),
      products: floatTensor([n, classes], products.data),
      labels: floatTensor([n, 1], Float32Array.from(support.labels)),
    };
    await session.keep(kept, { signal });
    const momentum = { w: new Float32Array(w.length), b: new Float32Array(classes) };
    const total = new Float32Array(classes);
    for (let k = 1; k <= iterations; k++) {
      const at = {
        w: floatTensor([classes, dimension], w.slice()),
        b: floatTensor([classes], b.slice()),
        a: floatTensor([classes], a.slice()),
      };
      const slopes = await session.run(at, { signal });
      const own = slopes.ga.data as Float32Array;
      own.forEach((g, c) => {
        total[c] = official ? total[c]! + g : g;
      });
      referenceUpdate(MOMENTUM, w, slopes.gw.data as Float32Array, [momentum.w], k, rate);
      referenceUpdate(MOMENTUM, b, slopes.gb.data as Float32Array, [momentum.b], k, rate);
      if (k % EVERY === 0) {
        total.forEach((g, c) => {
          a[c]! -= rateOfA * g;
        });
      }
      task.onProgress?.({ done: k, total: iterations, unit: 'step' });
    }
  } finally {
    await session.close();
  }
  return {
    w: floatTensor([classes, dimension], w),
    b: floatTensor([classes], b),
    a: floatTensor([classes], a),
  };
}

/**
 * For keys [n, d] and their products with the names [n, c]: sums of each class's rows [c, d]; means of f t_c over a class; sums of (f
 * t_c)^2 over all rows.
 */
function* statistics(keys: Matrix, products: Matrix, labels: Int32Array) {
  const sums = matrix(products.cols, keys.cols);
  const own = new Float64Array(products.cols);
  const counts = new Float64Array(products.cols);
  const squares = new Float64Array(products.cols);
  for (const [i, label] of labels.entries()) {
    addTo(row(sums, label), row(keys, i));
    own[label]! += row(products, i)[label]!;
    counts[label]!++;
    row(products, i).forEach((x, c) => {
      squares[c]! += x * x;
    });
    yield;
  }
  const present = [...counts.keys()].filter((c) => counts[c]! > 0);
  return { sums, cosines: present.map((c) => own[c]! / counts[c]!), squares };
}

function addTo(target: Float32Array, source: Float32Array): void {
  for (let j = 0; j < source.length; j++) target[j]! += source[j]!;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** Largest eigenvalue of a positive semidefinite matrix, by power iteration, to a relative error of 1e-9. */
function* largestEigenvalue(square: Matrix): Pieces<number> {
  let v = new Float64Array(square.rows).fill(1 / Math.sqrt(square.rows));
  let value = 0;
  for (let k = 0; k < 1000; k++) {
    yield;
    const image = Float64Array.from(v, (_, i) => dot(row(square, i), v));
    const next = dot(v, image);
    if (Math.abs(next - value) < 1e-9 * next) return next;
    value = next;
    const length = norm(image);
    v = image.map((x) => x / length);
  }
  return value;
}
