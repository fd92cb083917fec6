import type { Pieces } from '../abort.ts';
import { type Matrix, matrix, matrixOf, row } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import type { Samples } from './samples.ts';
import type { Sums } from './summary.ts';

/** Rounds of Lloyd's algorithm. More of them changed the error of class sums by less than a tenth of it. */
const ROUNDS = 8;

/**
 * Centres of `perClass` clusters of each class's rows, [classes * perClass, d], by k-means from random rows (Lloyd, IEEE TIT 1982). A class
 * with fewer rows has a centre for each of them. The centres that are left over are zeros.
 */
export function* clusterCentres(
  { rows, labels }: Samples,
  classes: number,
  perClass: number,
): Pieces<Matrix> {
  const centres = matrix(classes * perClass, rows.cols);
  const members: number[][] = Array.from({ length: classes }, () => []);
  labels.forEach((label, i) => {
    members[label]!.push(i);
  });
  for (const [c, own] of members.entries()) {
    yield;
    const of = perClass * rows.cols;
    const ownCentres = matrix(perClass, rows.cols, centres.data.subarray(c * of, (c + 1) * of));
    random('clusters', c, own.length)
      .shuffle(own)
      .slice(0, perClass)
      .forEach((i, k) => {
        row(ownCentres, k).set(row(rows, i));
      });
    if (own.length <= perClass) continue;
    for (let round = 0; round < ROUNDS; round++) moveCentres(ownCentres, rows, own);
  }
  return centres;
}

/** Moves the centres to the means of the rows that are nearest to them. A centre without rows stays. */
function moveCentres(centres: Matrix, rows: Matrix, own: readonly number[]): void {
  const { rows: count, cols: d } = centres;
  const sizes = new Float64Array(count);
  const sums = new Float64Array(count * d);
  const halves = halfSquares(centres);
  for (const i of own) {
    const k = nearestCentre(centres, halves, row(rows, i), 0, count);
    sizes[k]!++;
    for (let j = 0; j < d; j++) sums[k * d + j]! += rows.data[i * d + j]!;
  }
  for (let k = 0; k < count; k++) {
    if (sizes[k] === 0) continue;
    const target = row(centres, k);
    for (let j = 0; j < d; j++) target[j] = sums[k * d + j]! / sizes[k]!;
  }
}

/** Adds rows to the clusters of their classes whose centres are nearest: to the `sizes` and the `parts`, which are their sums. */
export function addToClusters({ sums, basis }: Sums, { rows, labels }: Samples, perClass: number): void {
  const [sizes, parts] = [sums.sizes!.data, sums.parts!.data];
  const centres = matrixOf(basis.centres!);
  const halves = halfSquares(centres);
  const d = rows.cols;
  for (let i = 0; i < labels.length; i++) {
    const k = nearestCentre(centres, halves, row(rows, i), labels[i]! * perClass, perClass);
    sizes[k]!++;
    for (let j = 0; j < d; j++) parts[k * d + j]! += rows.data[i * d + j]!;
  }
}

/** |z|^2 / 2 of each centre. */
export function halfSquares(centres: Matrix): Float64Array {
  const halves = new Float64Array(centres.rows);
  centres.data.forEach((x, at) => {
    halves[Math.floor(at / centres.cols)]! += (x * x) / 2;
  });
  return halves;
}

/** The centre nearest to x among `count` from `first` on: the one with the largest x z - |z|^2 / 2. The first wins a tie. */
function nearestCentre(
  { cols: d, data }: Matrix,
  halves: Float64Array,
  x: Float32Array,
  first: number,
  count: number,
): number {
  let best = first;
  let most = Number.NEGATIVE_INFINITY;
  for (let k = first; k < first + count; k++) {
    const at = k * d;
    // Independent sums, because each addition to a single one waits for the one before.
    let a = 0;
    let b = 0;
    let c = 0;
    let e = 0;
    let j = 0;
    for (; j + 3 < d; j += 4) {
      a += x[j]! * data[at + j]!;
      b += x[j + 1]! * data[at + j + 1]!;
      c += x[j + 2]! * data[at + j + 2]!;
      e += x[j + 3]! * data[at + j + 3]!;
    }
    for (; j < d; j++) a += x[j]! * data[at + j]!;
    const near = a + b + c + e - halves[k]!;
    if (near > most) {
      best = k;
      most = near;
    }
  }
  return best;
}
