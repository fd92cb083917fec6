import { atOnce, type Pieces } from '../abort.ts';
import { UsageError } from '../errors.ts';
import { count } from '../words.ts';
import { fromHalf } from './half.ts';
import { ofRank, type Tensor } from './tensor.ts';

/** A row-major float32 matrix: element (i, j) is `data[i * cols + j]`. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
}

/** A matrix [rows, cols] over `data`, which is not copied, or of zeros. Throws `UsageError` if the length is not rows x cols. */
export function matrix(
  rows: number,
  cols: number,
  data: Float32Array = new Float32Array(rows * cols),
): Matrix {
  if (data.length !== rows * cols) {
    throw new UsageError(
      `A ${rows} x ${cols} matrix needs ${count(rows * cols, 'number')}, got ${data.length}`,
      {
        code: 'matrix/shape',
        details: { rows, cols, length: data.length },
      },
    );
  }
  return { rows, cols, data };
}

/**
 * A tensor [rows, cols] as a matrix. float32 is not copied; float16 is converted. Throws `UsageError` for another type or rank.
 */
export function matrixOf({ dtype, shape, data }: Tensor): Matrix {
  const [rows, cols] = ofRank(shape, 2);
  if (data instanceof Float32Array) return matrix(rows, cols, data);
  if (dtype === 'float16') return matrix(rows, cols, fromHalf(data as Uint16Array));
  throw new UsageError(`A matrix is made of float32 or float16, not of ${dtype}`, { code: 'matrix/dtype' });
}

/** A matrix from arrays, one for each row. Throws `UsageError` if they differ in length. */
export function fromRows(rows: ArrayLike<number>[]): Matrix {
  const cols = rows[0]?.length ?? 0;
  const out = matrix(rows.length, cols);
  rows.forEach((values, i) => {
    if (values.length !== cols) {
      throw new UsageError(`Row ${i} has ${count(values.length, 'number')}, row 0 has ${cols}`, {
        code: 'matrix/ragged',
      });
    }
    out.data.set(values, i * cols);
  });
  return out;
}

/** The identity, [d, d]. */
export function identity(d: number): Matrix {
  const out = matrix(d, d);
  for (let j = 0; j < d; j++) out.data[j * d + j] = 1;
  return out;
}

/** Row i, [cols], as a view on the matrix's memory. */
export function row(m: Matrix, i: number): Float32Array {
  return m.data.subarray(i * m.cols, (i + 1) * m.cols);
}

/** The rows from `from` up to `to`, [to - from, cols], as a view on the matrix's memory. */
export function rowRange(m: Matrix, from: number, to: number): Matrix {
  return matrix(to - from, m.cols, m.data.subarray(from * m.cols, to * m.cols));
}

/** A copy of the rows with the given indices, in that order: [indices, cols]. */
export function selectRows(m: Matrix, indices: ArrayLike<number>): Matrix {
  const out = matrix(indices.length, m.cols);
  for (let k = 0; k < indices.length; k++) out.data.set(row(m, indices[k]!), k * m.cols);
  return out;
}

/** A matrix of the rows of all parts, in order. Throws `UsageError` if the parts differ in width. */
export function concatRows(parts: Matrix[]): Matrix {
  const cols = parts.find((p) => p.rows > 0)?.cols ?? parts[0]?.cols ?? 0;
  const out = matrix(
    parts.reduce((n, p) => n + p.rows, 0),
    cols,
  );
  let at = 0;
  for (const part of parts) {
    if (part.rows > 0 && part.cols !== cols) {
      throw new UsageError(`Cannot stack rows of width ${part.cols} on rows of width ${cols}`, {
        code: 'matrix/width',
      });
    }
    out.data.set(part.data, at);
    at += part.data.length;
  }
  return out;
}

/** Number of rows in one piece of work. */
const ROWS = 1024;

/** Each row divided by its Euclidean length, [n, d]; rows of zeros stay zero. Sums are in float64. */
export function unitRows(m: Matrix): Matrix {
  return atOnce(unitRowsInPieces(m));
}

/** `unitRows` as work in pieces. */
export function* unitRowsInPieces(m: Matrix): Pieces<Matrix> {
  const out = matrix(m.rows, m.cols);
  for (let i = 0; i < m.rows; i++) {
    if (i % ROWS === ROWS - 1) yield;
    const source = row(m, i);
    const length = norm(source);
    const scale = length > 0 ? 1 / length : 0;
    const target = row(out, i);
    for (let j = 0; j < m.cols; j++) target[j] = source[j]! * scale;
  }
  return out;
}

/** Each number times a factor, [n, d]. */
export function scaled(m: Matrix, factor: number): Matrix {
  const out = matrix(m.rows, m.cols);
  for (let i = 0; i < out.data.length; i++) out.data[i] = factor * m.data[i]!;
  return out;
}

/** a X + b Y, [n, d]. */
export function weightedSum(a: number, x: Matrix, b: number, y: Matrix): Matrix {
  const out = matrix(x.rows, x.cols);
  for (let i = 0; i < out.data.length; i++) out.data[i] = a * x.data[i]! + b * y.data[i]!;
  return out;
}

/**
 * The inner product in float64, in four sums side by side, which the processor adds in parallel. Each sum has a declaration of its own,
 * because V8 keeps the numbers of a destructuring pattern on the heap.
 */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 4 <= a.length; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  for (; i < a.length; i++) s0 += a[i]! * b[i]!;
  return s0 + s1 + s2 + s3;
}

export function norm(a: ArrayLike<number>): number {
  return Math.sqrt(dot(a, a));
}

/** a b^T: [n, d] x [m, d] → [n, m], summed in float64, stored as float32. For small products; the engine computes large ones. */
export function productT(a: Matrix, b: Matrix): Matrix {
  return atOnce(productTInPieces(a, b));
}

/** Number of multiplications in one piece of a product, about 10 ms. */
const PIECE = 1e7;

/** `productT` as work in pieces. */
export function* productTInPieces(a: Matrix, b: Matrix): Pieces<Matrix> {
  if (a.cols !== b.cols) {
    throw new UsageError(`Cannot multiply rows of width ${a.cols} with rows of width ${b.cols}`, {
      code: 'matrix/width',
    });
  }
  const out = matrix(a.rows, b.rows);
  const whole = b.rows - (b.rows % 4);
  const rowsOfPiece = Math.max(1, Math.floor(PIECE / b.data.length));
  for (let i = 0; i < a.rows; i++) {
    if (i % rowsOfPiece === rowsOfPiece - 1) yield;
    const left = row(a, i);
    const target = row(out, i);
    for (let j = 0; j < whole; j += 4) fourDots(left, b, j, target);
    for (let j = whole; j < b.rows; j++) target[j] = dot(left, row(b, j));
  }
  return out;
}

/** Dot products with four rows at a time: four sums are independent, whereas each addition to a single sum waits for the one before. */
function fourDots(left: Float32Array, b: Matrix, from: number, out: Float32Array): void {
  const [b0, b1, b2, b3] = [row(b, from), row(b, from + 1), row(b, from + 2), row(b, from + 3)];
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let k = 0; k < left.length; k++) {
    const x = left[k]!;
    s0 += x * b0[k]!;
    s1 += x * b1[k]!;
    s2 += x * b2[k]!;
    s3 += x * b3[k]!;
  }
  out[from] = s0;
  out[from + 1] = s1;
  out[from + 2] = s2;
  out[from + 3] = s3;
}

/** Index of the largest value; the lowest index wins a tie. -1 if there is no value. */
export function argmax(values: ArrayLike<number>): number {
  let best = -1;
  for (let i = 0; i < values.length; i++) if (best < 0 || values[i]! > values[best]!) best = i;
  return best;
}

/** Up to this k, the largest values are kept in order by insertion. For a larger k, all values are sorted. */
const FEW = 32;

/** Indices of the k largest values, largest first; the lower index wins a tie. */
export function topK(values: ArrayLike<number>, k: number): number[] {
  if (k > FEW) {
    return Array.from(values, (_, i) => i)
      .sort((a, b) => values[b]! - values[a]! || a - b)
      .slice(0, k);
  }
  const best: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // The first comparison skips most values.
    if (best.length === k && !(value > values[best[k - 1]!]!)) continue;
    let place = Math.min(best.length, k - 1);
    while (place > 0 && value > values[best[place - 1]!]!) {
      best[place] = best[place - 1]!;
      place--;
    }
    best[place] = i;
  }
  return best;
}

/** Natural log of the sum of exponentials, without overflow. */
export function logSumExp(values: ArrayLike<number>): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) if (values[i]! > max) max = values[i]!;
  if (max === Number.NEGATIVE_INFINITY) return max;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - max);
  return max + Math.log(sum);
}

/** Softmax of values / temperature, [n], in float64. */
export function softmax(values: ArrayLike<number>, temperature = 1): Float64Array {
  const scaled = Float64Array.from(values, (v) => v / temperature);
  const total = logSumExp(scaled);
  return scaled.map((v) => Math.exp(v - total));
}

/** Softmax of each row of scores / temperature: [m, c] → [m, c]. */
export function softmaxRows(scores: Matrix, temperature = 1): Matrix {
  const out = matrix(scores.rows, scores.cols);
  for (let i = 0; i < scores.rows; i++) row(out, i).set(softmax(row(scores, i), temperature));
  return out;
}
