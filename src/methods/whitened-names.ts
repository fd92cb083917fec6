import type { Pieces } from '../abort.ts';
import type { Products } from '../linalg/matrix-products.ts';
import {
  concatRows,
  dot,
  type Matrix,
  matrix,
  row,
  rowRange,
  selectRows,
  weightedSum,
} from '../math/matrix.ts';
import { likelyScales } from './likely-scales.ts';
import type { Examples } from './whitened-examples.ts';
import type { LeftOut } from './whitened-left-out.ts';
import { type Directions, rowProducts, type Whitening, whiten } from './whitening.ts';

/** How names and examples are mixed: share e of the name in a prototype, weight b of zero-shot, and scale k of the cosine. */
export interface Mixture {
  readonly share: number;
  readonly weight: number;
  readonly scale: number;
}

/** Assumed cosine of two examples of a class at one shot, which cannot be measured there. */
const USUAL_AGREEMENT = 0.2;
/** Candidates for the share of the name. */
const SHARES = [0, 0.125, 0.25, 0.5, 1, 2, 4];

/** Rows minus their mean. */
export function centredRows({ rows, cols, data }: Matrix): Matrix {
  const mean = new Float64Array(cols);
  data.forEach((x, at) => {
    mean[at % cols]! += x / rows;
  });
  return matrix(
    rows,
    cols,
    data.map((x, at) => x - mean[at % cols]!),
  );
}

/** The part of the examples that the names leave unexplained: f - g - a (w_y - w), with a by least squares, [n, d]. */
export function unexplainedBy(names: Matrix, { centred, labels }: Examples): Matrix {
  const own = selectRows(names, labels);
  const squares = dot(own.data, own.data);
  const a = squares > 0 ? dot(centred.data, own.data) / squares : 0;
  return weightedSum(1, centred, -a, own);
}

/** Expected values for the names: the weight of zero-shot, and how much names count in the prototypes. */
interface ExpectedNames {
  readonly weight: number;
  readonly names: number;
}

/** The mixture by rule, at one shot. The more the examples agree with their names, the larger is the share of the names. */
export async function mixtureByRule(
  examples: Examples,
  names: Matrix,
  unexplained: Matrix,
  whitening: Whitening,
  { weight, names: counting, scale }: ExpectedNames & { readonly scale: number },
  products: Products,
): Promise<Mixture> {
  const agreed = await agreement(examples, names, unexplained, whitening, products);
  const share = counting * shareFor(agreed, USUAL_AGREEMENT);
  return { share, weight, scale: scaleBeside(scale, share) };
}

/**
 * The mixture that is most likely on the left-out examples, with priors: b / b' ~ N(1, .3^2), ln k ~ N(ln k', deviation^2), and ln(e + .1)
 * ~ N(ln(e' + .1), .7^2), where e' follows from how well examples agree with names and with each other.
 *
 * @param zeroShot logits of the left-out examples, [q, c]
 */
export function* mixtureLeftOut(
  { means, names, together, labels }: Required<LeftOut>,
  zeroShot: Matrix,
  { weight, names: counting }: ExpectedNames,
  expected: { readonly value: number; readonly deviation: number },
): Pieces<Mixture> {
  const [n, c] = [zeroShot.rows, zeroShot.cols];
  const ownMean = (cosines: Float64Array) => labels.reduce((sum, y, i) => sum + cosines[i * c + y]! / n, 0);
  const likely = counting * shareFor(ownMean(names), Math.max(ownMean(means), 0.05));
  const scores = new Float64Array(n * c);
  let best: (Mixture & { readonly loss: number }) | undefined;
  for (const share of SHARES) {
    for (let at = 0; at < scores.length; at++) {
      const length = Math.sqrt(1 + share * share + 2 * share * together[at]!);
      scores[at] = (means[at]! + share * names[at]!) / length;
    }
    const found = yield* likelyScales(
      { scores, labels },
      { ...expected, value: scaleBeside(expected.value, share) },
      { scores: zeroShot.data, expected: { value: weight, deviation: 0.3 } },
    );
    const loss = found.loss + (0.5 * (Math.log((share + 0.1) / (likely + 0.1)) / 0.7) ** 2) / n;
    if (!best || loss < best.loss) best = { share, weight: found.weight, scale: found.scale, loss };
  }
  return best as Mixture;
}

/** Mean cosine in P of an example with its name. Each example's own residual is taken out of P (as in `leftOutCosines`). */
async function agreement(
  { centred, labels }: Examples,
  names: Matrix,
  unexplained: Matrix,
  whitening: Whitening,
  products: Products,
): Promise<number> {
  const own = selectRows(names, labels);
  const n = labels.length;
  const through = await whiten(concatRows([centred, own, unexplained]), whitening, products);
  const [px, pt, u] = [0, n, 2 * n].map((from) => rowRange(through, from, from + n)) as [
    Matrix,
    Matrix,
    Matrix,
  ];
  const [xt, xx, tt] = [rowProducts(px, own), rowProducts(px, centred), rowProducts(pt, own)];
  const [xu, tu, ue] = [rowProducts(centred, u), rowProducts(own, u), rowProducts(u, unexplained)];
  const g = whitening.level > 0 ? 1 / (Math.max(1, labels.length - 1) * whitening.level) : 0;
  let sum = 0;
  for (let i = 0; i < labels.length; i++) {
    const k = g / (1 - g * ue[i]!);
    const lengths = Math.sqrt((xx[i]! + k * xu[i]! ** 2) * (tt[i]! + k * tu[i]! ** 2));
    if (lengths > 0) sum += (xt[i]! + k * xu[i]! * tu[i]!) / lengths;
  }
  return sum / labels.length;
}

/** The share of the name if examples have the cosine `agreed` with their names, and two examples of a class have the cosine `usual`. */
function shareFor(agreed: number, usual: number): number {
  const precision = (v: number) => Math.sqrt(v) / (1 - v);
  return precision(Math.min(Math.max(agreed, 0) ** 2 / usual, 0.9)) / precision(usual);
}

/** The scale beside zero-shot. It is smaller, because zero-shot contains part of the same information. */
function scaleBeside(scale: number, share: number): number {
  return scale / (1 + 0.25 * Math.min(share, 1));
}

/**
 * Mixtures of the unit rows of means and names, brought to unit length in P and multiplied by P, [c, d]. The row of a class without
 * examples is a share of its name alone.
 */
export function mixed(seen: Matrix, named: Directions, names: Matrix, share: number): Matrix {
  const prototypes = matrix(names.rows, names.cols);
  for (let c = 0; c < names.rows; c++) {
    const length = named.lengths[c]!;
    const alike = length > 0 ? dot(row(seen, c), row(names, c)) / length : 0;
    const both = Math.sqrt(1 + share * share + 2 * share * alike);
    const [mean, name, target] = [row(seen, c), row(named.duals, c), row(prototypes, c)];
    for (let j = 0; j < target.length; j++) target[j] = (mean[j]! + share * name[j]!) / both;
  }
  return prototypes;
}
