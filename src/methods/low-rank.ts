import { type Products, withProducts } from '../linalg/matrix-products.ts';
import { argmax, type Matrix, matrix, row, selectRows, unitRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import { count, number } from '../words.ts';
import { type Kernel, kernelOf } from './kernel-ridge.ts';
import { COUNT, type Held, SHARE, WEIGHT } from './method.ts';
import type { Samples } from './samples.ts';
import { countByClass, plainRows, type Support, selectExamples, type Task } from './task.ts';

/**
 * The landmarks of Nystroem's approximation (Williams & Seeger, NeurIPS 2000). The samples of each class are dealt into `perClass` parts, and the unit
 * means of the parts are the landmarks of the class. A class with at most `perClass` samples keeps a landmark for each sample. If this holds for every
 * class, the landmarks are the samples themselves, in their order.
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

/** A random choice of `most` of the numbers from 0 to n - 1, or all of them if n is not larger. */
export function randomSubset(n: number, most: number): number[] {
  const all = [...Array(n).keys()];
  return n <= most ? all : random('landmarks', n).shuffle(all).slice(0, most);
}

/** A kernel's part of the scores, `weight k(f, keys) A`, which is added to the scores of the class names. */
export interface KernelForm {
  readonly kernel: Kernel;
  readonly weight: number;
  samplesOf(support: Support): Samples;
  /** A, [m, c], learnt from samples [n, d] for keys [m, d]. The keys are landmarks or the samples' own rows. */
  coefficients(samples: Samples, keys: Matrix): Promise<Matrix>;
  /** The largest number of samples that the comparison uses. It is set if the exact form is expensive. */
  readonly most?: number;
}

/** How far the scores by landmarks are from the scores by all samples, on examples that neither form was learnt from. */
export type RankError = {
  /** The largest difference of a class's score, averaged over the left-out examples. */
  readonly error: number;
  /** The share of the left-out examples for which both forms have the same best class. */
  readonly agreement: number;
  /** How many examples were left out. */
  readonly judges: number;
};

/** The error's entries in a method's state. */
export const RANK_ERROR: Readonly<Record<keyof RankError, Held>> = {
  error: WEIGHT,
  agreement: SHARE,
  judges: COUNT,
};

/** The value if no example was left out. */
export const UNMEASURED: RankError = { error: 0, agreement: 1, judges: 0 };

/** The largest number of examples that are left out, and their largest share. */
const LEFT_OUT = { most: 256, share: 0.2 };

/** Scores of unit rows [q, d] by an approximation of a kernel's part, [q, c], without its weight. */
type Scorer = (queries: Matrix, products: Products) => Promise<Matrix>;

/**
 * Compares the form by `perClass` landmarks per class with the form by all samples, as `measureForm`.
 */
export function measureRank(task: Task, perClass: number, form: KernelForm): Promise<RankError> {
  return measureForm(task, form, async (samples) => {
    const keys = landmarksOf(samples, task.classes, perClass);
    return scorerOf(form, keys, await form.coefficients(samples, keys));
  });
}

/**
 * Compares an approximation, which is learnt from samples, with the form by the same samples. Whole groups of examples are left out, and the two
 * are compared on these. If all examples are of one group, none can be left out, and `judges` is 0.
 */
export async function measureForm(
  task: Task,
  form: KernelForm,
  approximate: (samples: Samples) => Promise<Scorer>,
): Promise<RankError> {
  const { support, engine, signal } = task;
  const [left, rest] = leaveOut(support);
  if (left.length === 0 || rest.length === 0) return UNMEASURED;
  const samples = some(form.samplesOf(selectExamples(support, rest)), form.most);
  const exact = scorerOf(form, samples.rows, await form.coefficients(samples, samples.rows));
  const low = await approximate(samples);
  const queries = unitRows(plainRows(selectExamples(support, left)));
  return withProducts(
    engine,
    async (products) => {
      const names = task.head && (await products.productT(queries, task.head.weights));
      const scores = async (scorer: Scorer) => {
        const own = await scorer(queries, products);
        const data = own.data.map(
          (x, i) => form.weight * x + (names ? task.head!.logitScale * names.data[i]! : 0),
        );
        return matrix(own.rows, own.cols, data);
      };
      return compared(await scores(exact), await scores(low));
    },
    signal,
  );
}

const scorerOf =
  ({ kernel }: KernelForm, keys: Matrix, coefficients: Matrix): Scorer =>
  async (queries, products) =>
    products.product(await kernelOf(queries, keys, kernel, products), coefficients);

function some({ rows, labels }: Samples, most = rows.rows): Samples {
  const chosen = randomSubset(rows.rows, most);
  return { rows: selectRows(rows, chosen), labels: Int32Array.from(chosen, (i) => labels[i]!) };
}

/** Divides the examples' positions into those of some random groups, which are left out, and the rest. */
export function leaveOut({ groups }: Support): [left: number[], rest: number[]] {
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
  let error = 0;
  let equal = 0;
  for (let i = 0; i < exact.rows; i++) {
    const [a, b] = [row(exact, i), row(low, i)];
    error += a.reduce((most, x, c) => Math.max(most, Math.abs(x - b[c]!)), 0) / exact.rows;
    if (argmax(a) === argmax(b)) equal++;
  }
  return { error, agreement: equal / exact.rows, judges: exact.rows };
}

/** The error in words, for the result of a fit. `most` is the number of keys that the comparison used, if it did not use all. */
export function rankRemark(
  landmarks: number,
  samples: number,
  { error, agreement, judges }: RankError,
  most = samples,
): string {
  const form = `${count(landmarks, 'landmark')} for ${count(samples, 'key')}`;
  if (judges === 0) return `${form}; no example could be left out to measure the error`;
  const drawn = most < samples ? ` and with ${number(most)} of the keys` : '';
  const equal = Math.round(agreement * judges);
  return `${form}: on ${count(judges, 'left-out example')}${drawn}, the scores differ from the exact scores by ${error.toPrecision(2)} (mean of the largest difference of a class), and the best class is the same for ${number(equal)}`;
}
