import { plainEngine } from '../engine/plain.ts';
import { type Optimiser, referenceUpdate } from '../engine/training/optimiser.ts';
import { throwIfAborted } from '../errors.ts';
import { add, mul } from '../graph/elementwise.ts';
import { input } from '../graph/expression.ts';
import { gradients } from '../graph/gradient.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { type Matrix, matrix, productT, row, unitRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { flag, integer } from '../options.ts';
import { crossEntropy } from './loss.ts';
import { defineMethod, type State, type SymbolicState, type SymbolicTask } from './method.ts';
import { keysOf, type Task } from './task.ts';

/**
 * LP++: a linear probe beside a weight of its own for each class name, scores_c = f w_c + b_c + a_c f t_c, without the logit scale
 * (Huang et al., CVPR 2024, arXiv 2404.02285, eq. 4-13). Step sizes follow from Lipschitz constants of the loss: nothing is
 * tuned. The published code never clears the gradient of a, so that every tenth step takes the sum of all so far: `official`.
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
      help: 'Add up the gradients of the name weights, as the published code does.',
    }),
  },
  fit: fitProbe,
  prepare: (state) => state,
  terms: (f, state, task) => probeTerms(f, state, task),
});

/** `text` a_c f t_c and `method` f w_c + b_c, [m, c] each. */
function probeTerms(f: Parameters<typeof unit>[0], { w, b, a }: SymbolicState, { head }: SymbolicTask) {
  if (!head) throw new Error('LP++ without a text head: checkNeeds comes first');
  return { text: mul(matmulT(unit(f), head.weights), a), method: linear(unit(f), w, b) };
}

const MOMENTUM: Optimiser = { kind: 'sgd', momentum: 0.9 };
/** a is moved by plain gradient every so many iterations. */
const EVERY = 10;

async function fitProbe(
  task: Task,
  { iterations, official }: { iterations: number; official: boolean },
): Promise<State> {
  const { classes, dimension, support, head, engine = plainEngine(), signal } = task;
  if (!head) throw new Error('LP++ without a text head: checkNeeds comes first');
  const keys = keysOf(support);
  const n = keys.rows;
  const { sums, cosines, squares } = statistics(keys, head.weights, support.labels);
  const w = sums.data.slice();
  const b = new Float32Array(classes);
  const a = new Float32Array(classes).fill(250 * mean(cosines));
  // Eq. 8 and 10: the largest steps for which the loss is sure to fall.
  const rate = (4 * n) / largestEigenvalue(keys);
  const rateOfA = n / (4 * Math.max(...squares));

  const state = { w: input('w', [classes, dimension]), b: input('b', [classes]), a: input('a', [classes]) };
  const symbolic = { weights: input('text', [classes, dimension]), logitScale: input('scale', []) };
  const { text, method } = probeTerms(input('f', [n, dimension]), state, { classes, head: symbolic });
  const loss = crossEntropy(add(text, method), input('labels', [n, 1]));
  const [gw, gb, ga] = gradients(loss, [state.w, state.b, state.a]);
  const session = await engine.compile({ gw, gb, ga });
  await session.keep({
    f: floatTensor([n, dimension], keys.data),
    text: floatTensor([classes, dimension], head.weights.data),
    labels: floatTensor([n, 1], Float32Array.from(support.labels)),
  });
  const momentum = { w: new Float32Array(w.length), b: new Float32Array(classes) };
  const total = new Float32Array(classes);
  for (let k = 1; k <= iterations; k++) {
    throwIfAborted(signal);
    const slopes = await session.run({
      w: floatTensor([classes, dimension], w.slice()),
      b: floatTensor([classes], b.slice()),
      a: floatTensor([classes], a.slice()),
    });
    const own = slopes.ga.data as Float32Array;
    own.forEach((g, c) => {
      total[c] = official ? total[c] + g : g;
    });
    referenceUpdate(MOMENTUM, w, slopes.gw.data as Float32Array, [momentum.w], k, rate);
    referenceUpdate(MOMENTUM, b, slopes.gb.data as Float32Array, [momentum.b], k, rate);
    if (k % EVERY === 0) {
      total.forEach((g, c) => {
        a[c] -= rateOfA * g;
      });
    }
    task.onProgress?.({ done: k, total: iterations, unit: 'step' });
  }
  await session.close();
  return {
    w: floatTensor([classes, dimension], w),
    b: floatTensor([classes], b),
    a: floatTensor([classes], a),
  };
}

/** Sum of each class's rows [c, d]; means over the class of f t_c; sums over all rows of (f t_c)^2. */
function statistics(keys: Matrix, text: Matrix, labels: Int32Array) {
  const sums = matrix(text.rows, text.cols);
  const own = new Float64Array(text.rows);
  const counts = new Float64Array(text.rows);
  const squares = new Float64Array(text.rows);
  const products = productT(keys, text);
  labels.forEach((label, i) => {
    row(keys, i).forEach((x, j) => {
      row(sums, label)[j] += x;
    });
    own[label] += row(products, i)[label];
    counts[label]++;
    row(products, i).forEach((x, c) => {
      squares[c] += x * x;
    });
  });
  const present = [...counts.keys()].filter((c) => counts[c] > 0);
  return { sums, cosines: present.map((c) => own[c] / counts[c]), squares };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** Largest eigenvalue of X^T X by power iteration, to 1e-9 of itself. */
function largestEigenvalue(x: Matrix): number {
  let v = matrix(1, x.cols, new Float32Array(x.cols).fill(1));
  let value = 0;
  for (let k = 0; k < 1000; k++) {
    v = unitRows(v);
    const image = productT(x, v); // [n, 1]
    const next = new Float64Array(x.cols);
    let length = 0;
    for (let i = 0; i < x.rows; i++) {
      const weight = image.data[i];
      length += weight * weight;
      row(x, i).forEach((y, j) => {
        next[j] += weight * y;
      });
    }
    v = matrix(1, x.cols, Float32Array.from(next));
    if (Math.abs(length - value) < 1e-9 * length) return length;
    value = length;
  }
  return value;
}
