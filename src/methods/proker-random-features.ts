import { giveWay } from '../abort.ts';
import { cos, mul } from '../graph/elementwise.ts';
import { linear, matmul, unit } from '../graph/products.ts';
import type { Products } from '../linalg/matrix-products.ts';
import { type Matrix, matrix, matrixOf, row, rowRange } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { integer, positive } from '../options.ts';
import { count, number } from '../words.ts';
import { measureForm, RANK_ERROR, type RankError } from './low-rank.ts';
import { COUNT, defineMethod, type SummaryForm, type TaskWith } from './method.ts';
import { addSquares, addTotals, momentsShape, solveRidge } from './moments.ts';
import { prokerForm } from './proker.ts';
import { type Samples, samplesOf } from './samples.ts';
import { summariseWith } from './summariser.ts';
import type { Sums } from './summary.ts';
import { sumOptionsOf } from './summary-shapes.ts';
import { plainSupport, selectExamples, type Task } from './task.ts';
import { zeroShotLogits } from './zero-shot.ts';

const options = {
  beta: positive({ default: 1.7, max: 1000, help: 'How fast the kernel fades with distance.' }),
  lambda: positive({ default: 0.1, help: 'Weight of the smoothness penalty.' }),
  frequencies: integer({
    default: 1024,
    min: 1,
    max: 8192,
    help: 'Number of random frequencies that approximate the kernel; their error is measured.',
  }),
};
type Values = { readonly beta: number; readonly lambda: number; readonly frequencies: number };

/** The random frequencies: w [D, d], and phases b [D]. */
type Waves = { readonly directions: Tensor; readonly phases: Tensor };
type Learnt = Waves & { readonly weights: Tensor };
type Measured = RankError & {
  /** Number of rows that the exact form and the approximation were learnt from to measure the error. */
  readonly compared: number;
};

const summary: SummaryForm<typeof options, 'text', Learnt & Measured> = {
  // The moments of the rows [cos(w x + b), x]: the names are taken from the targets in the end, by the products with x.
  shapes: ({ classes, dimension }, { frequencies }) =>
    momentsShape({ classes, dimension: frequencies + dimension }),
  sumOptions: ['beta', 'frequencies'],
  add: async (sums, { rows, labels }, { options, products, adder }) => {
    const waves = wavesOf(rows.cols, options);
    for (let from = 0; from < rows.rows; from += CHUNK) {
      const to = Math.min(rows.rows, from + CHUNK);
      const some = rowRange(rows, from, to);
      const lifted = {
        rows: besideWaves(await wavesAt(some, waves, products), some),
        labels: labels.slice(from, to),
      };
      addTotals(sums, lifted, adder);
      await addSquares(sums, lifted, adder);
    }
  },
  fit: async (sums, task, values) => ({ ...(await learn(sums, task, values)), ...UNMEASURED }),
  measured: ['error', 'agreement', 'judges', 'compared'],
  measure: ({ rows, labels }, task, values) =>
    measured({ ...task, support: plainSupport(rows, labels) }, values),
};

/** Rows whose waves are computed at a time. */
const CHUNK = 2048;
const UNMEASURED: Measured = { error: 0, agreement: 1, judges: 0, compared: 0 };

/**
 * ProKeR by random Fourier features (Rahimi and Recht, NIPS 2007): the kernel exp(-beta (1 - x y)) of unit rows is a Gaussian kernel of their
 * distance, and is approximated by z(x) z(y) with z_j(x) = sqrt(2 / D) cos(w_j x + b_j), w_j ~ N(0, beta I), b_j uniform in [0, 2 pi). ProKeR's
 * scores become s f W^T + s lambda z(f) (Z^T Z + lambda I)^-1 Z^T (Y - X W^T) for all unit rows X [n, d] with the features Z [n, D]. Z^T Z,
 * Z^T Y and Z^T X are sums over the rows. Every augmented view is a sample.
 */
export const prokerRandomFeatures = defineMethod({
  id: 'proker-random-features',
  name: 'ProKeR, random features',
  paper: 'Bendou et al., CVPR 2025, arXiv 2501.11175; random features by Rahimi and Recht, NIPS 2007',
  notes: [
    "**Equations.** ProKeR's kernel `exp(-beta (1 - x y))` is approximated by `z(x) z(y)` with `z_j(x) = sqrt(2 / D) cos(w_j x + b_j)` for `D` random frequencies (`--frequencies`). `w_j` are normal with variance beta, and `b_j` uniform; they depend only on the numbers of frequencies and dimensions and on beta, so that all machines have the same. The scores are `s f W^T + s lambda z(f) (Z^T Z + lambda I)^-1 Z^T (Y - X W^T)`.",
    '**Cost.** An answer takes a product with `D` rows, whatever the number of examples. A summary has `(D + d)^2 + c (D + d)` numbers.',
    '**Error.** Left-out examples are scored by the exact kernel and by random frequencies, both learnt from the same of the other rows (at most 8,192; with `--summary`, from rows that are left out too). The difference and the number of equal answers stand in the file, and `fit` and `info` print them.',
    '**Published.** ProKeR itself is published with the exact kernel. No paper has this form.',
    '**Left out.** The weights of single examples are not kept, so `explain` shows none.',
  ].join('\n\n'),
  needs: ['text', 'examples'],
  options,
  search: () => [0.01, 0.1, 1, 10].map((lambda) => ({ lambda })),
  path: 'lambda',
  fit: async (task, values) => ({
    ...(await learn(await sumsOf(samplesOf(task.support), task, values), task, values)),
    ...(await measured(task, values)),
  }),
  fitSubsets: async function* (task, subsets, candidates) {
    // The states are kept instead of the sums, which are larger: one sum at a time is in memory, for all candidates with its options.
    const states = candidates.map((): (Learnt & Measured)[] => []);
    for (const subset of subsets) {
      const samples = samplesOf(selectExamples(task.support, subset));
      let made: { readonly options: string; readonly sums: Sums } | undefined;
      for (const [i, values] of candidates.entries()) {
        const options = sumOptionsOf(summary as SummaryForm, values);
        if (made?.options !== options) made = { options, sums: await sumsOf(samples, task, values) };
        states[i]!.push({ ...(await learn(made.sums, task, values)), ...UNMEASURED });
      }
    }
    yield* states;
  },
  summary,
  holds: ({ classes: c, dimension: d }, { frequencies: D }) => ({
    ...{ weights: { shape: [D, c] }, directions: { shape: [D, d] }, phases: { shape: [D] } },
    ...RANK_ERROR,
    compared: COUNT,
  }),
  prepare: ({ weights, directions, phases }) => ({ weights, directions, phases }),
  terms: (f, { weights, directions, phases }, task) => {
    const waves = cos(linear(unit(f), directions, phases)); // [m, D]
    return {
      text: zeroShotLogits(f, task.head),
      method: mul(matmul(waves, weights), task.head.logitScale), // [m, c]
    };
  },
  remarks: (_, { frequencies }, { error, agreement, judges, compared }) => {
    const form = `${count(frequencies, 'random frequency', 'random frequencies')} for the kernel`;
    if (judges === 0) return [`${form}; no example could be left out to measure the error`];
    const equal = number(Math.round(agreement * judges));
    return [
      `${form}: on ${count(judges, 'left-out example')}, both learnt from ${count(compared, 'row')}, the scores differ from those by the exact kernel by ${error.toPrecision(2)} (mean of the largest difference of a class), and the best class is the same for ${equal}`,
    ];
  },
});

function sumsOf(samples: Samples, task: Task, options: Values): Promise<Sums> {
  return summariseWith(summary as SummaryForm, samples, { task, options }, task);
}

/** The waves that were made last: every block of rows asks for them. */
let latest: { readonly key: string; readonly waves: Waves } | undefined;

function wavesOf(d: number, { frequencies: D, beta }: Pick<Values, 'frequencies' | 'beta'>): Waves {
  const key = [D, d, beta].join();
  if (latest?.key === key) return latest.waves;
  const { normal, uniform } = random('random features', D, d);
  const directions = Float32Array.from({ length: D * d }, () => Math.sqrt(beta) * normal());
  const phases = Float32Array.from({ length: D }, () => 2 * Math.PI * uniform());
  const waves = { directions: floatTensor([D, d], directions), phases: floatTensor([D], phases) };
  latest = { key, waves };
  return waves;
}

/** cos(w x + b) of unit rows [n, d], [n, D]. */
async function wavesAt(rows: Matrix, { directions, phases }: Waves, { productT }: Products): Promise<Matrix> {
  const waves = await productT(rows, matrixOf(directions));
  const { data, cols: D } = waves;
  const b = phases.data as Float32Array;
  for (let at = 0; at < data.length; at++) data[at] = Math.cos(data[at]! + b[at % D]!);
  return waves;
}

/** The rows of both side by side. */
function besideWaves(waves: Matrix, rows: Matrix): Matrix {
  const all = matrix(rows.rows, waves.cols + rows.cols);
  for (let i = 0; i < rows.rows; i++) {
    row(all, i).set(row(waves, i));
    row(all, i).set(row(rows, i), waves.cols);
  }
  return all;
}

/** sqrt(2 / D) lambda (Z^T Z + lambda I)^-1 Z^T (Y - X W^T), [D, c], in float64. */
async function learn(
  { sums: { totals, squares } }: Sums,
  { classes: c, dimension: d, head, signal }: TaskWith<'text'>,
  values: Values,
): Promise<Learnt> {
  const { lambda, frequencies: D } = values;
  const width = D + d;
  const scale = Math.sqrt(2 / D);
  const names = head.weights.data;
  const gram = new Float64Array(D * D);
  const right = new Float64Array(D * c);
  for (let i = 0; i < D; i++) {
    const own = squares!.data.subarray(i * width, (i + 1) * width);
    for (let j = 0; j < D; j++) gram[i * D + j] = scale * scale * own[j]!;
    for (let k = 0; k < c; k++) {
      let named = 0;
      for (let j = 0; j < d; j++) named += own[D + j]! * names[k * d + j]!;
      right[i * c + k] = scale * (totals!.data[k * width + i]! - named);
    }
  }
  await giveWay(signal);
  const solved = solveRidge(gram, lambda, right, c);
  const weights = Float32Array.from(solved, (x) => scale * lambda * x);
  return { ...wavesOf(d, values), weights: floatTensor([D, c], weights) };
}

/** The error on left-out examples, by both forms of the others. */
async function measured(task: TaskWith<'text'>, values: Values): Promise<Measured> {
  let compared = 0;
  const error = await measureForm(task, prokerForm(task, values), async (samples) => {
    compared = samples.labels.length;
    const state = await learn(await sumsOf(samples, task, values), task, values);
    return async (queries, products) =>
      products.product(await wavesAt(queries, state, products), matrixOf(state.weights));
  });
  return { ...error, compared };
}
