import { withProducts } from '../linalg/matrix-products.ts';
import { argmax, type Matrix, matrix, row, selectRows, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { count, number } from '../words.ts';
import { type Kernel, kernelOf } from './kernel-ridge.ts';
import { COUNT, type Held, SHARE, WEIGHT } from './method.ts';
import type { Samples } from './samples.ts';
import { countByClass, plainRows, type Support, selectExamples, type Task } from './task.ts';

/**
 * Landmarks of samples (Williams & Seeger, NeurIPS 2000): each class's samples are dealt out into so many parts, and the unit means of the parts are its
 * landmarks; a class with no more samples than that has its own. The samples themselves, where all classes do.
 */
export function landmarksOf({ rows, labels }: Samples, classes: number, perClass: number): Matrix {
  const counts = countByClass(labels, classes);
  if (counts.every((n) => n <= perClass)) return rows;
  const first = new Int32Array(classes);
  for (let c = 1; c < classes; c++) first[c] = first[c - 1]! + Math.min(perClass, counts[c - 1]!);
  const sums = matrix(landmarkCount(labels, classes, perClass), rows.cols);
  const seen = new Int32Array(classes);
  labels.forEach((label, i) => {
    const part = seen[label]!++ % perClass;
    const target = row(sums, first[label]! + part);
    row(rows, i).forEach((x, j) => {
      target[j]! += x;
    });
  });
  return unitRows(sums);
}

export function landmarkCount(labels: ArrayLike<number>, classes: number, perClass: number): number {
  return countByClass(labels, classes).reduce((sum, n) => sum + Math.min(n, perClass), 0);
}

/** So many of n numbers from 0 on, drawn at random; all of them where there are no more. */
export function randomSubset(n: number, most: number): number[] {
  const all = [...Array(n).keys()];
  return n <= most ? all : random('landmarks', n).shuffle(all).slice(0, most);
}

/** Scores weight k(f, keys) A beside those of the class names. */
export interface KernelForm {
  readonly kernel: Kernel;
  readonly weight: number;
  samplesOf(support: Support): Samples;
  /** A, [m, c], of samples [n, d] for keys [m, d]: landmarks, or the samples' own rows. */
  coefficients(samples: Samples, keys: Matrix): Promise<Matrix>;
  /** How many samples the forms are compared with at most, where the exact form costs much. */
  readonly most?: number;
}

/** How far low-rank scores are from those by all samples, on examples that neither has seen. */
export type RankError = {
  /** Mean over the left-out examples of the largest difference of a class's score. */
  readonly error: number;
  /** Share of the left-out examples that have the same best class. */
  readonly agreement: number;
  /** How many examples were left out. */
  readonly judges: number;
};

/** What a state has of it. */
export const RANK_ERROR: Readonly<Record<keyof RankError, Held>> = {
  error: WEIGHT,
  agreement: SHARE,
  judges: COUNT,
};

/** Where nothing was left out to compare the forms on. */
export const UNMEASURED: RankError = { error: 0, agreement: 1, judges: 0 };

/** Examples that are left out at most, and their share. */
const LEFT_OUT = { most: 256, share: 0.2 };

/**
 * Compares a form by so many landmarks per class with the same form by all samples. Whole groups of examples are left out of both. Without examples
 * of two groups there is nothing to compare, and `judges` is 0.
 */
export async function measureRank(task: Task, perClass: number, form: KernelForm): Promise<RankError> {
  const { support, engine, signal } = task;
  const [left, rest] = leaveOut(support);
  if (left.length === 0 || rest.length === 0) return UNMEASURED;
  const samples = some(form.samplesOf(selectExamples(support, rest)), form.most);
  const keys = landmarksOf(samples, task.classes, perClass);
  const exact = await form.coefficients(samples, samples.rows);
  const low = await form.coefficients(samples, keys);
  const queries = unitRows(plainRows(selectExamples(support, left)));
  return withProducts(
    engine,
    async (products) => {
      const names = task.head && (await products.productT(queries, task.head.weights));
      const scores = async (at: Matrix, coefficients: Matrix) => {
        const own = await products.product(await kernelOf(queries, at, form.kernel, products), coefficients);
        const data = own.data.map(
          (x, i) => form.weight * x + (names ? task.head!.logitScale * names.data[i]! : 0),
        );
        return matrix(own.rows, own.cols, data);
      };
      return compared(await scores(samples.rows, exact), await scores(keys, low));
    },
    signal,
  );
}

function some({ rows, labels }: Samples, most = rows.rows): Samples {
  const chosen = randomSubset(rows.rows, most);
  return { rows: selectRows(rows, chosen), labels: Int32Array.from(chosen, (i) => labels[i]!) };
}

/** Examples of some groups, and the others. */
function leaveOut({ groups }: Support): [left: number[], rest: number[]] {
  const most = Math.min(LEFT_OUT.most, Math.max(1, LEFT_OUT.share * groups.length));
  const all = [...groups.keys()];
  const left = new Set<number>();
  for (const group of random('left out', groups.length).shuffle([...new Set(groups)])) {
    const own = all.filter((i) => groups[i] === group);
    if (left.size + own.length <= most) for (const i of own) left.add(i);
    if (left.size >= LEFT_OUT.most) break;
  }
  return [[...left], all.filter((i) => !left.has(i))];
}

function compared(exact: Matrix, low: Matrix): RankError {
  let [error, equal] = [0, 0];
  for (let i = 0; i < exact.rows; i++) {
    const [a, b] = [row(exact, i), row(low, i)];
    error += a.reduce((most, x, c) => Math.max(most, Math.abs(x - b[c]!)), 0) / exact.rows;
    if (argmax(a) === argmax(b)) equal++;
  }
  return { error, agreement: equal / exact.rows, judges: exact.rows };
}

/** The error in words, for the result of a fit; with `most`, of the forms by so many keys. */
export function rankRemark(
  landmarks: number,
  samples: number,
  { error, agreement, judges }: RankError,
  most = samples,
): string {
  const form = `${count(landmarks, 'landmark')} for ${count(samples, 'key')}`;
  if (judges === 0) return `${form}; no example could be left out to measure the error`;
  const drawn = most < samples ? `, learnt from ${number(most)} keys,` : '';
  const equal = Math.round(agreement * judges);
  return `${form}: on ${count(judges, 'left-out example')}${drawn} scores differ from the exact ones by ${error.toPrecision(2)} (mean of the largest difference of a class), and ${number(equal)} have the same class`;
}
