import { throwIfAborted } from '../errors.ts';
import { dot } from '../math/matrix.ts';

/** A function's value and gradient g at a point, and P g. The fixed matrix P approximates the inverse of the function's curvature. */
export interface Evaluation {
  readonly value: number;
  readonly gradient: Float32Array;
  readonly preconditioned: Float32Array;
  /** Error of the value. Default: that of a float32 number. */
  readonly error?: number;
}

/** A smooth function. The caller may change the arrays that it returns. */
export type Objective = (x: Float32Array) => Promise<Evaluation>;

interface Point extends Evaluation {
  readonly x: Float32Array;
}

export interface Minimum extends Point {
  readonly iterations: number;
  readonly evaluations: number;
  /** Whether the remaining decrease is expected to be within the tolerance. If not, it ended by `iterations` or for want of precision. */
  readonly isConverged: boolean;
}

interface Limits {
  /** The function at the start, if it is known. */
  readonly first?: Evaluation;
  readonly iterations?: number;
  /** The search ends when the remaining decrease is expected to be below this, given the value. */
  readonly tolerance?: (value: number) => number;
  readonly signal?: AbortSignal;
}

/** Number of remembered steps. Each costs two passes over the parameters. */
const MEMORY = 5;

/**
 * Minimises a convex function by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5), with P as the first inverse curvature
 * and a line search for the strong Wolfe conditions. It is deterministic. It ends by the decrease that the quadratic model expects, g H g /
 * 2, because differences of float32 values are too coarse for that. Throws `InterruptedError` when the signal fires.
 */
export async function minimise(
  objective: Objective,
  start: Float32Array,
  { first, iterations = 60, tolerance = () => 1e-7, signal }: Limits = {},
): Promise<Minimum> {
  let evaluations = 0;
  const at = async (x: Float32Array): Promise<Point> => {
    throwIfAborted(signal);
    evaluations++;
    return { x, ...(await objective(x)) };
  };
  const memory: Step[] = [];
  const direction = new Float32Array(start.length);
  // Points of large problems take megabytes, so their memory is reused.
  const spare: Float32Array[] = [];
  let now = first ? { x: start.slice(), ...first } : await at(start.slice());
  let iteration = 0;
  let isConverged = false;
  for (; iteration < iterations; iteration++) {
    descend(direction, now, memory);
    const slope = dot(direction, now.gradient);
    isConverged = -slope / 2 <= tolerance(now.value);
    if (isConverged) break;
    const next = await lineSearch(at, now, direction, slope, spare);
    if (next.x === now.x) break;
    remember(memory, now, next, spare);
    now = next;
  }
  return { ...now, iterations: iteration, evaluations, isConverged };
}

/** A step between two points, and its products that the next directions need. All products are sums in float64. */
interface Step {
  /** Changes of the point, of the gradient, and of the preconditioned gradient. */
  readonly s: Float32Array;
  readonly y: Float32Array;
  readonly z: Float32Array;
  /** s . y, positive. */
  readonly sy: number;
  readonly yz: number;
  /** s . g and y . P g at the newest point. */
  sg: number;
  yp: number;
  /** s . y' and y . z' with y' and z' of each later step, in their order. */
  readonly later: { readonly sy: number; readonly yz: number }[];
}

/** Remembers the step between two points, in the arrays of the first. */
function remember(memory: Step[], before: Point, after: Point, spare: Float32Array[]): void {
  const { x: s, gradient: y, preconditioned: z } = before;
  let sy = 0;
  let yz = 0;
  let sg = 0;
  let yp = 0;
  for (let i = 0; i < s.length; i++) {
    const g = after.gradient[i]!;
    const p = after.preconditioned[i]!;
    const ds = after.x[i]! - s[i]!;
    const dy = g - y[i]!;
    const dz = p - z[i]!;
    s[i] = ds;
    y[i] = dy;
    z[i] = dz;
    sy += ds * dy;
    yz += dy * dz;
    sg += ds * g;
    yp += dy * p;
  }
  // The products with y' = g' - g and z' = P g' - P g follow from those with g and P g.
  for (const step of memory) {
    const newSg = dot(step.s, after.gradient);
    const newYp = dot(step.y, after.preconditioned);
    if (sy > 0) step.later.push({ sy: newSg - step.sg, yz: newYp - step.yp });
    step.sg = newSg;
    step.yp = newYp;
  }
  if (sy > 0) memory.push({ s, y, z, sy, yz, sg, yp, later: [] });
  else spare.push(s);
  if (memory.length > MEMORY) spare.push(memory.shift()!.s);
}

/**
 * Sets `direction` to -H g, where H is the inverse curvature estimated from P and the remembered steps (two-loop recursion, algorithm 7.4).
 * The vectors of the recursion, q = g - sum a y and r = scale (P g - sum a z) + sum (a - b) s, enter only through their products with the
 * steps, and P q follows from P g and P y, because P is linear. So the recursion is of numbers, and one pass over the steps remains.
 */
function descend(direction: Float32Array, { preconditioned }: Point, memory: readonly Step[]): void {
  const m = memory.length;
  const last = memory.at(-1);
  const scale = last ? last.sy / last.yz : 1;
  const a = new Float64Array(m);
  for (let k = m - 1; k >= 0; k--) {
    const { sg, sy, later } = memory[k]!;
    let sq = sg;
    for (let j = k + 1; j < m; j++) sq -= a[j]! * later[j - k - 1]!.sy;
    a[k] = sq / sy;
  }
  const rest = new Float64Array(m);
  for (let k = 0; k < m; k++) {
    const { yp, yz, sy, later } = memory[k]!;
    let yr = yp - a[k]! * yz;
    for (let j = k + 1; j < m; j++) yr -= a[j]! * later[j - k - 1]!.yz;
    for (let i = 0; i < k; i++) yr -= a[i]! * memory[i]!.later[k - i - 1]!.yz;
    yr *= scale;
    for (let i = 0; i < k; i++) yr += rest[i]! * memory[i]!.later[k - i - 1]!.sy;
    rest[k] = a[k]! - yr / sy;
  }
  for (let i = 0; i < direction.length; i++) direction[i] = -scale * preconditioned[i]!;
  memory.forEach(({ s, z }, k) => {
    addScaled(direction, s, -rest[k]!, z, scale * a[k]!);
  });
}

/** Constants of the strong Wolfe conditions: sufficient decrease and curvature. */
const DECREASE = 1e-4;
const CURVATURE = 0.9;
const TRIALS = 20;
/** Relative rounding error of a float32 value. */
export const ROUNDING = 5e-7;

/**
 * A step along the direction that meets the strong Wolfe conditions to within rounding. For a convex function it is enough to narrow a
 * bracket by cubic interpolation. Returns the point itself if no step descends.
 */
async function lineSearch(
  at: (x: Float32Array) => Promise<Point>,
  from: Point,
  direction: Float32Array,
  slope: number,
  spare: Float32Array[],
): Promise<Point> {
  let low = { t: 0, value: from.value, slope };
  let high: typeof low | undefined;
  let t = 1;
  const slack = from.error ?? ROUNDING * Math.abs(from.value);
  for (let trial = 0; trial < TRIALS; trial++) {
    const x = spare.pop() ?? new Float32Array(direction.length);
    for (let i = 0; i < x.length; i++) x[i] = from.x[i]! + t * direction[i]!;
    const point = await at(x);
    const here = { t, value: point.value, slope: dot(point.gradient, direction) };
    const descends = point.value <= from.value + DECREASE * t * slope + slack;
    if (descends && Math.abs(here.slope) <= -CURVATURE * slope) return point;
    if (descends && here.slope < 0) low = here;
    else high = here;
    spare.push(x);
    t = high ? between(low, high) : 3 * t;
  }
  return from;
}

/** The minimum of the cubic through two points, kept off the ends of the bracket. */
function between(
  low: { t: number; value: number; slope: number },
  high: { t: number; value: number; slope: number },
): number {
  const width = high.t - low.t;
  const d1 = low.slope + high.slope - (3 * (high.value - low.value)) / width;
  const square = d1 * d1 - low.slope * high.slope;
  const d2 = Math.sqrt(Math.max(0, square));
  const share = 1 - (high.slope + d2 - d1) / (high.slope - low.slope + 2 * d2);
  return low.t + width * (Number.isFinite(share) ? Math.min(0.9, Math.max(0.1, share)) : 0.5);
}

function addScaled(target: Float32Array, x: Float32Array, a: number, y: Float32Array, b: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += a * x[i]! + b * y[i]!;
}
