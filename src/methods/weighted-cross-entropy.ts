import type { Pieces } from '../abort.ts';
import { layOutArrays } from '../engine/kernels/arrays.ts';
import { instantiate } from '../engine/kernels/instantiate.ts';
import { wasm } from '../engine/kernels/search.wasm.ts';
import { DataError } from '../errors.ts';

/** Rows of scores, [rows, cols]. */
export interface Scores {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array | Float64Array;
}

/** A mean cross-entropy in nats, and its derivatives by the weights a and b. */
interface Moments {
  readonly nll: number;
  readonly gradient: readonly [number, number];
  /** Second derivatives aa, ab, bb. */
  readonly curvature: readonly [number, number, number];
}

export type MomentsAt = (a: number, b: number) => Pieces<Moments>;

/** The rounding error of the mean in single precision, in nats. */
export const NOISE = 1e-7;

/** Numbers of each matrix that are in the kernel's memory at a time. They fit in the processor's second-level cache. */
const CHUNK = 1 << 15;

/**
 * Mean cross-entropy of softmax(a Z + b S) with its first and second derivatives, in single precision. A share `smoothing` of each target
 * is spread over all classes. The kernel sums within a row, and rows are added up in float64. Throws `DataError` `tuning/not-a-number` if a
 * score is not finite.
 *
 * @param z [n, c]
 * @param s [n, c]
 * @param labels [n]
 */
export function weightedCrossEntropy(
  z: Scores,
  s: Scores,
  labels: ArrayLike<number>,
  smoothing = 0,
): MomentsAt {
  const { rows: n, cols: c } = s;
  const chunk = Math.min(n, Math.max(1, Math.floor(CHUNK / c)));
  const lengths = { z: chunk * c + 3, s: chunk * c + 3, labels: chunk, w: c + 3, moments: chunk * MOMENTS };
  const { memory, at, view } = layOutArrays(lengths);
  const kernel = instantiate<Kernel>(wasm, memory);
  const own = { z: view('z'), s: view('s'), labels: new Int32Array(memory.buffer, at.labels, chunk) };
  const moments = view('moments');
  let held = -1;

  const hold = (start: number, rows: number) => {
    if (held === start) return;
    held = start;
    own.z.set(z.data.subarray(start * c, (start + rows) * c));
    own.s.set(s.data.subarray(start * c, (start + rows) * c));
    for (let i = 0; i < rows; i++) own.labels[i] = labels[start + i]!;
  };

  return function* (a, b) {
    yield;
    let nll = 0;
    let ga = 0;
    let gb = 0;
    let haa = 0;
    let hab = 0;
    let hbb = 0;
    for (let start = 0; start < n; start += chunk) {
      const rows = Math.min(chunk, n - start);
      hold(start, rows);
      kernel.moments(at.z, at.s, at.labels, rows, c, a, b, at.w, at.moments);
      for (let i = 0; i < rows * MOMENTS; i += MOMENTS) {
        const evenZ = smoothing * moments[i + 4]!;
        const evenS = smoothing * moments[i + 5]!;
        nll += moments[i]! + Math.log(moments[i + 1]!) - a * evenZ - b * evenS;
        ga += moments[i + 2]! - evenZ;
        gb += moments[i + 3]! - evenS;
        haa += moments[i + 6]!;
        hab += moments[i + 7]!;
        hbb += moments[i + 8]!;
      }
    }
    if (!Number.isFinite(nll)) for (const scores of [z, s]) demandFinite(scores);
    return { nll: nll / n, gradient: [ga / n, gb / n], curvature: [haa / n, hab / n, hbb / n] };
  };
}

/** Number of values that the kernel writes for a row. */
const MOMENTS = 9;

interface Kernel {
  moments(
    z: number,
    s: number,
    labels: number,
    rows: number,
    classes: number,
    a: number,
    b: number,
    w: number,
    moments: number,
  ): void;
}

/** Refuses scores that are not finite. No weight helps them, and a search would run to its last step. */
function demandFinite({ data, cols }: Scores): void {
  const at = data.findIndex((score) => !Number.isFinite(score));
  if (at < 0) return;
  const [index, column] = [Math.floor(at / cols), at % cols];
  throw new DataError(`The score of row ${index} for class ${column} is ${data[at]}`, {
    code: 'tuning/not-a-number',
    hint: 'Look for features that are zero or not finite, or for a learning rate at which training diverges.',
    details: { row: index, class: column, score: data[at] },
  });
}
