import { type Matrix, matrix, row, unitRows } from '../math/matrix.ts';
import { type Folds, leaveOneShotOut } from './folds.ts';
import { countByClass, keysOf, type Support, type Task } from './task.ts';

/** The examples centred, and as residuals from the means of their classes. There are n examples of `present` classes, among c classes. */
export interface Examples {
  /** The class of each example, [n], and the number of examples of each class, [c]. */
  readonly labels: Int32Array;
  readonly counts: Int32Array;
  /** Unit rows, [n, d]. */
  readonly rows: Matrix;
  /** The mean of the class means, [d]. */
  readonly centre: Float32Array;
  /** Unit rows minus the centre, [n, d]. */
  readonly centred: Matrix;
  /** Class means minus the centre, [c, d]; zeros for a class without examples. */
  readonly means: Matrix;
  /** Unit rows minus the mean of their class, [n, d]. */
  readonly residuals: Matrix;
  readonly present: number;
  /** Mean number of examples of the classes that have any. */
  readonly shots: number;
  readonly folds: Folds;
  /** Dimensions of the encoder's space: d, or more if the rows are in coordinates of their span. */
  readonly spaceDimension: number;
}

/** The largest number of folds. */
const MOST_FOLDS = 4;

/** The examples of a task. Examples of one class and group cannot be separated and count as one: the unit mean of their keys. */
export function examplesOf({ support, classes, dimension, spaceDimension = dimension }: Task): Examples {
  const { rows, labels, groups } = partable(support);
  const counts = countByClass(labels, classes);
  const present = counts.reduce((sum, count) => sum + Number(count > 0), 0);
  const raw = meansOf(rows, labels, counts);
  const centre = new Float64Array(rows.cols);
  raw.data.forEach((x, at) => {
    centre[at % rows.cols]! += x / present;
  });
  const means = shifted(raw, (c, j) => (counts[c]! > 0 ? centre[j]! : 0));
  return {
    labels,
    counts,
    rows,
    centre: Float32Array.from(centre),
    centred: shifted(rows, (_, j) => centre[j]!),
    means,
    residuals: shifted(rows, (i, j) => raw.data[labels[i]! * rows.cols + j]!),
    present,
    shots: labels.length / present,
    folds: leaveOneShotOut({ labels, groups }, MOST_FOLDS),
    spaceDimension,
  };
}

/** The number of examples. Those of one class and group count as one. */
export function countOf({ labels, groups }: Support): number {
  const units = new Set<string>();
  labels.forEach((label, i) => {
    units.add(`${label} ${groups[i]}`);
  });
  return units.size;
}

/** The mean number of examples of the classes that have any. Those of one class and group count as one. */
export function shotsOf(support: Support): number {
  return countOf(support) / new Set(support.labels).size;
}

/** Class means of the examples that a fold does not hide, minus the centre, [c, d]; zeros for a class without such examples. */
export function meansWithout({ rows, labels, counts, centre, folds }: Examples, fold: number): Matrix {
  const kept = [...labels.keys()].filter((i) => folds.hidden[i] !== fold);
  const own = new Int32Array(counts.length);
  for (const i of kept) own[labels[i]!]!++;
  const means = meansOf(rows, labels, own, kept);
  return shifted(means, (c, j) => (own[c]! > 0 ? centre[j]! : 0));
}

function partable(support: Support): { rows: Matrix; labels: Int32Array; groups: Int32Array } {
  const keys = keysOf(support);
  const numbers = new Map<string, number>();
  const firsts: number[] = [];
  const unitOf = support.labels.map((label, i) => {
    const name = `${label} ${support.groups[i]}`;
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, firsts.length);
    return firsts.push(i) - 1;
  });
  const labels = Int32Array.from(firsts, (i) => support.labels[i]!);
  const groups = Int32Array.from(firsts, (i) => support.groups[i]!);
  if (firsts.length === keys.rows) return { rows: keys, labels, groups };
  const sums = matrix(firsts.length, keys.cols);
  unitOf.forEach((unit, i) => {
    row(keys, i).forEach((x, j) => {
      row(sums, unit)[j]! += x;
    });
  });
  return { rows: unitRows(sums), labels, groups };
}

/** Means of each class's rows, [c, d]; zeros for a class without rows. */
function meansOf(
  rows: Matrix,
  labels: Int32Array,
  counts: Int32Array,
  kept: Iterable<number> = labels.keys(),
): Matrix {
  const sums = new Float64Array(counts.length * rows.cols);
  for (const i of kept) {
    const label = labels[i]!;
    const source = row(rows, i);
    for (let j = 0; j < source.length; j++) sums[label * rows.cols + j]! += source[j]! / counts[label]!;
  }
  return matrix(counts.length, rows.cols, Float32Array.from(sums));
}

/** Subtracts `by(i, j)` from each number of a matrix. */
function shifted(m: Matrix, by: (i: number, j: number) => number): Matrix {
  const out = matrix(m.rows, m.cols);
  for (let i = 0; i < m.rows; i++) {
    for (let j = 0; j < m.cols; j++) out.data[i * m.cols + j] = m.data[i * m.cols + j]! - by(i, j);
  }
  return out;
}
