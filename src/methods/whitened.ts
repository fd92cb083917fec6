import { inTurns } from '../abort.ts';
import { div, equal, maximum, mul, sqrt, sub, where } from '../graph/elementwise.ts';
import type { Expr } from '../graph/expression.ts';
import { linear, matmulT, unit } from '../graph/products.ts';
import { sum } from '../graph/reduce.ts';
import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { concatRows, type Matrix, rowRange, scaled, selectRows } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';
import { optional, positive, positiveOr, real } from '../options.ts';
import { likelyScales, zeroShotScale } from './likely-scales.ts';
import { defineMethod, WEIGHT } from './method.ts';
import type { Support, TextHead } from './task.ts';
import { countOf, type Examples, examplesOf, shotsOf } from './whitened-examples.ts';
import { foldsLeftOut, type LeftOut, leftOutCosines, spreadBetween } from './whitened-left-out.ts';
import {
  centredRows,
  type Mixture,
  mixed,
  mixtureByRule,
  mixtureLeftOut,
  unexplainedBy,
} from './whitened-names.ts';
import { directions, isWide, type Whitening, whiteningOf } from './whitening.ts';
import { zeroShotLogits } from './zero-shot.ts';

/** The expected scale of the cosines, and the expected deviation of the logarithm of the fitted scale. */
const SCALE = { value: 15, deviation: 0.3 };
/** With fewer examples of each class than this, there are too few residuals for a covariance within classes. */
const FEW = 1.5;
/** The value of the option `scale` with which the scale follows from the cosines of examples of different classes. */
const SPREAD = 'spread';
/** The root mean square of these cosines at which the scale is the expected one, and the power by which others count. */
const USUAL_SPREAD = 0.08;
const SPREAD_COUNTS = 0.75;
/** How much names count in `auto` at one shot. An encoder that knows only some of the classes gives misleading names for the others. */
const NAMES_AT_ONE_SHOT = 2 / 3;

/**
 * Whitened centred cosine: z_c = b s f w_c + k cos_P(f - g, p_c). P whitens the variation within classes, as linear discriminant analysis
 * does. g is the centre of the examples. p_c = unit_P(m_c - g) + e unit_P(w_c - w) is the class's mean beside its name, each centred in its
 * own modality. docs/whitened.md derives it. The form is closed, except for the scales b, k and e. From two examples of each class on,
 * left-out examples choose them under priors; with one example, a rule does. Examples of one class and group count as one.
 */
export const whitened = defineMethod({
  id: 'whitened',
  name: 'Whitened centred cosine',
  paper: 'This package (docs/whitened.md); after Fisher 1936 and Wang et al., ICLR 2024, arXiv 2402.04087',
  needs: ['examples'],
  rotates: true,
  auto: {
    order: 0,
    closedForm: true,
    untuned: true,
    byRule: ({ support, head }) => {
      const shots = shotsOf(support);
      if (shots >= 3) return undefined;
      if (shots >= FEW) return {};
      return head ? { names: NAMES_AT_ONE_SHOT } : { scale: SPREAD };
    },
  },
  benchmarked: true,
  options: {
    ridge: optional(
      positive({
        help: 'Variance added in every direction, as a multiple of the mean variance; by default it depends on the numbers of examples and dimensions.',
      }),
    ),
    names: real({
      default: 1,
      min: 0,
      help: 'How much class names are expected to count relative to the examples.',
    }),
    scale: optional(
      positiveOr<typeof SPREAD>([SPREAD], {
        help: 'Multiplier of the cosine (default: 15 at one shot, else by left-out examples). spread: at one shot without names, from the cosines of examples of different classes.',
      }),
    ),
  },
  fit: (task, given) => {
    const { head, engine, signal } = task;
    const examples = examplesOf(task);
    const fitted = (products: Products) => {
      const how = { products, signal, given };
      return head ? withNames(examples, head, how) : withoutNames(examples, how);
    };
    return withProducts(engine, fitted, signal);
  },
  calibrates: (task, { scale }) => (typeof scale === 'number' ? undefined : leftOutOf(examplesOf(task))),
  holds: ({ classes, dimension, support, head }) => ({
    centre: { shape: [dimension] },
    whitening: { shape: [Math.min(varying(support, head), dimension), dimension] },
    prototypes: { shape: [classes, dimension] },
    scale: WEIGHT,
    weight: WEIGHT,
  }),
  prepare: (state) => state,
  terms: (f, { centre, whitening, prototypes, scale, weight }, task) => {
    const x = sub(unit(f), centre); // [m, d]
    const cosines = div(linear(x, prototypes), lengths(x, whitening)); // [m, c]
    return {
      ...(task.head ? { text: mul(zeroShotLogits(f, task.head), weight) } : {}),
      method: mul(cosines, scale),
    };
  },
});

/** Lengths of rows in P, [m, 1]: |x|^2 - |V x|^2 where V has fewer rows than dimensions, else |V x|^2. */
function lengths(x: Expr, v: Expr): Expr {
  const through = squares(matmulT(x, v));
  const [rows, cols] = v.shape as [number, number];
  const all = isWide({ rows, cols }) ? sub(squares(x), through) : through;
  const least = maximum(all, 0);
  return sqrt(where(equal(least, 0), 1, least));
}

const squares = (x: Expr) => sum(mul(x, x), [1], true);

interface How {
  readonly products: Products;
  readonly signal?: AbortSignal;
  readonly given: {
    readonly ridge?: number;
    readonly names: number;
    readonly scale?: number | typeof SPREAD;
  };
}

/** z_c = k cos_P(f - g, m_c - g). */
async function withoutNames(examples: Examples, { products, signal, given }: How) {
  const spread = isFew(examples) ? aroundCentre(examples) : withinClasses(examples);
  const whitening = await whiteningOf(spread, ridgeOf(examples, given), products, signal);
  const { duals } = await directions(examples.means, whitening, products);
  const scale =
    typeof given.scale === 'number'
      ? given.scale
      : await scaleOf(examples, whitening, products, signal, given);
  return stateOf(examples, whitening, duals, scale, 0);
}

/**
 * The expected scale if no example can be left out, or the one that suits the spread of cosines between classes. Otherwise the scale that
 * is most likely on left-out examples.
 */
async function scaleOf(
  examples: Examples,
  whitening: Whitening,
  products: Products,
  signal: AbortSignal | undefined,
  { scale: wanted }: How['given'],
) {
  if (isFew(examples)) {
    if (wanted !== SPREAD) return SCALE.value;
    const spread = await spreadBetween(examples, whitening, products);
    return spread > 0 ? SCALE.value * (USUAL_SPREAD / spread) ** SPREAD_COUNTS : SCALE.value;
  }
  const { means: scores, labels } = await leftOutCosines(examples, whitening, undefined, products);
  const { scale } = await inTurns(likelyScales({ scores, labels }, SCALE), signal);
  return scale * surer(examples);
}

/** z_c = b s f w_c + k cos_P(f - g, unit_P(m_c - g) + e unit_P(w_c - w)). */
async function withNames(examples: Examples, { weights, logitScale }: TextHead, how: How) {
  const { products, signal, given } = how;
  const ridge = ridgeOf(examples, given);
  const names = centredRows(weights);
  const zeroShot = scaled(await products.productT(examples.rows, weights), logitScale);
  // This is two thirds of the best weight of zero-shot alone, because the cosine contains part of the same information.
  const weight = (2 / 3) * given.names * (await zeroShotScale(zeroShot, examples.labels, signal));
  const unexplained = unexplainedBy(names, examples);
  const total = scaled(unexplained, 1 / Math.sqrt(Math.max(1, unexplained.rows - 1)));
  let whitening: Whitening;
  let mixture: Mixture;
  if (isFew(examples)) {
    whitening = await whiteningOf(total, ridge, products, signal);
    const expected = { weight, scale: SCALE.value, names: given.names };
    mixture = await mixtureByRule(examples, names, unexplained, whitening, expected, products);
  } else {
    const within = withinClasses(examples);
    const own = await whiteningOf(within, ridge, products, signal);
    const leftOut = await leftOutCosines(examples, own, names, products);
    const found = await inTurns(
      mixtureLeftOut(
        leftOut as Required<LeftOut>,
        selectRows(zeroShot, leftOut.examples),
        { weight, names: given.names },
        SCALE,
      ),
      signal,
    );
    // With the shot that was left out included, the examples count more relative to the names.
    const { shots } = examples;
    mixture = { ...found, share: found.share * (1 - 0.6 / shots), scale: found.scale * surer(examples) };
    const beside = scaled(total, Math.sqrt(0.4 / shots));
    whitening = await whiteningOf(concatRows([within, beside]), ridge, products, signal);
  }
  const { duals, lengths } = await directions(concatRows([examples.means, names]), whitening, products);
  const seen = rowRange(duals, 0, names.rows);
  const named = { duals: rowRange(duals, names.rows, duals.rows), lengths: lengths.subarray(names.rows) };
  const prototypes = mixed(seen, named, names, mixture.share);
  const scale = typeof given.scale === 'number' ? given.scale : mixture.scale;
  return stateOf(examples, whitening, prototypes, scale, mixture.weight);
}

/** Whether there are too few examples for a covariance within classes and for leaving examples out. */
function isFew({ shots }: Pick<Examples, 'shots'>): boolean {
  return shots < FEW;
}

/** The number of rows of X, from which P is made. */
function varying(support: Support, head: TextHead | undefined): number {
  const rows = countOf(support);
  return head && !isFew({ shots: shotsOf(support) }) ? 2 * rows : rows;
}

/** The number of left-out examples and of folds. */
function leftOutOf(examples: Examples): { judges: number; folds: number } {
  const folds = isFew(examples) ? [] : foldsLeftOut(examples);
  return { judges: folds.flat().length, folds: folds.length };
}

/** Rows X with X^T X as the covariance within classes. */
function withinClasses({ residuals, labels, present }: Examples): Matrix {
  return scaled(residuals, 1 / Math.sqrt(labels.length - present));
}
function aroundCentre({ centred }: Examples): Matrix {
  return scaled(centred, 1 / Math.sqrt(Math.max(1, centred.rows - 1)));
}

/** The variance added in every direction, in mean variances of the rows' coordinates. It is larger if there are fewer examples for each direction. */
function ridgeOf(examples: Examples, { ridge = usualRidge(examples) }: How['given']): number {
  return (ridge * examples.rows.cols) / examples.spaceDimension;
}

function usualRidge(examples: Examples): number {
  const { shots, spaceDimension: d } = examples;
  const n = examples.rows.rows;
  return isFew(examples) ? Math.max(10, d / n) : Math.max(6 / shots, d / (3 * n));
}

/** Factor by which the scale rises with all shots, compared with folds that lack one. */
function surer({ shots }: Examples): number {
  return 1 + 0.4 / shots;
}

function stateOf({ centre }: Examples, { v }: Whitening, prototypes: Matrix, scale: number, weight: number) {
  return {
    centre: floatTensor([centre.length], centre),
    whitening: floatTensor([v.rows, v.cols], v.data),
    prototypes: floatTensor([prototypes.rows, prototypes.cols], prototypes.data),
    scale,
    weight,
  };
}
